"""Sealed storage: a Store that keeps every byte encrypted and sees every exchange. Knows bytes and keys, nothing else.

``docs/format/vault-v1.md`` is the written format; ``examples/open_vault.py`` opens a vault without this package.
"""
