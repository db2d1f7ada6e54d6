"""``python -m dressform.cli``."""

from dressform.cli.app import main

main()
