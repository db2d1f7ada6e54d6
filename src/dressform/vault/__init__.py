"""Sealed storage: a Store that knows bytes and keys. Not built yet: characters live in a plain DirectoryStore."""
