"""Where work runs. Everything runs in this process so far."""
