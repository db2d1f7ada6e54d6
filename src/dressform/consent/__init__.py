"""Who agreed to what, and what is refused. The ledger is not built yet; the refusals of text are."""
