"""A signed picture, as ``verify`` reads it. c2pa is native code: what is looked for here is a crash or an error not of the house."""

from benchmarks.trust.vectors.house import CREDENTIALS
from dressform.dress import provenance


def read(data: bytes) -> object:
    return provenance.inspect(data, CREDENTIALS.anchor)
