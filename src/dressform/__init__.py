"""dressform: learn who a character is once, each outfit apart, and compose them without leakage."""

__version__ = "0.1.0"
