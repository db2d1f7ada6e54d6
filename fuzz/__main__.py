"""Feed mutated bytes to one reader until it raises anything that is not of the house, or the time is over.

python -m fuzz NAME -max_total_time=600 [libFuzzer's options] fuzz/corpus/NAME
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module

import atheris

from fuzz import READERS, held_to_the_house

if __name__ == "__main__":
    name = sys.argv.pop(1)
    if name not in READERS:
        sys.exit(f"no reader named {name!r}: use one of {', '.join(READERS)}")
    with atheris.instrument_imports(include=["dressform", "PIL", "json", "rfc8785", "c2pa"]):
        read: Callable[[bytes], object] = import_module(f"fuzz.{name}").read
    from dressform.pictures import container
    from dressform.vault import keys

    container.PIXEL_LIMIT, keys.SCRYPT_LOG_N_LIMIT = 1_000_000, 10  # so that the time goes into parsing
    atheris.Setup(sys.argv, lambda data: held_to_the_house(read, data))
    atheris.Fuzz()
