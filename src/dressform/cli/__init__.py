"""The command line: one file per command; output.py owns how it speaks."""
