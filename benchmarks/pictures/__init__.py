"""Figures of the picture room. Each part is a module with ``measure(settings) -> dict[str, Figure]``, named in ``__main__``."""
