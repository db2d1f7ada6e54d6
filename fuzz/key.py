"""An age key file: its header is judged before anything is computed, then pyrage reads it."""

from benchmarks.trust.vectors.house import IDENTITY
from dressform.vault import keys


def read(data: bytes) -> object:
    try:
        keys.unwrap(data, IDENTITY)
    finally:
        keys.unwrap_with_passphrase(data, "a passphrase")
