"""The adapter stack, and the files adapters are kept in."""
