"""Are finished pictures trusted, and what does signing cost?

    python -m benchmarks.trust.provenance [--pictures 100] [--side 512] [--json FILE]

Each picture is finished as ``dress`` finishes it (rebuilt from pixels, signed, written), then verified from its file, with no
network asked for. Counted: how many are "ours" (C2PA: Trusted), how many of their copies with one changed pixel are not, and the
milliseconds that signing and verifying take beyond the PNG itself. Stated: all trusted, at most 15 ms each.
"""

from __future__ import annotations

import argparse
import io
import os
import random
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.trust.written import spread, write
from dressform.dress import provenance
from dressform.layfigure.render import render
from dressform.layfigure.world import training_doll
from dressform.measure.statistics import share
from dressform.store import MemoryStore
from dressform.workspace import finishing


def changed(file: Path) -> bytes:
    """The same picture with one other pixel, its manifest kept."""
    data = file.read_bytes()
    at, end = data.index(b"caBX") - 4, data.index(b"caBX") + 8 + int.from_bytes(data[data.index(b"caBX") - 4 :][:4], "big")
    pixels = np.array(Image.open(io.BytesIO(data)))
    pixels[0, 0] ^= 1
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()[:33] + data[at:end] + out.getvalue()[33:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=100)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    rng = random.Random(0)
    states, forged, signing, verifying = [], [], [], []
    with tempfile.TemporaryDirectory() as where:
        os.environ["DRESSFORM_HOME"] = where
        store = MemoryStore()
        finishing.make_credentials(store, "aoi")
        signer, file = finishing.credentials(store), Path(where) / "look.png"
        for _ in range(args.pictures):
            file.write_bytes(finishing.finished(render(training_doll(rng), args.side).picture, signer))
            began = time.perf_counter()
            states.append(finishing.verify(file).state)
            verifying.append((time.perf_counter() - began) * 1000)
            out = io.BytesIO()
            Image.open(file).save(out, "PNG")
            began = time.perf_counter()
            provenance.signed(out.getvalue(), signer)
            signing.append((time.perf_counter() - began) * 1000)
            file.write_bytes(changed(file))
            forged.append(finishing.verify(file).state == "ours")
    trusted, believed = share(s == "ours" for s in states), share(forged)
    signing_ms, verifying_ms = spread(signing), spread(verifying)
    print(f"{trusted.value:.0%} of {trusted.n} trusted; with one pixel changed {believed.value:.0%}")
    print(f"signing {signing_ms.value:.1f} ms ({signing_ms.low:.1f} to {signing_ms.high:.1f}), "
          f"verifying {verifying_ms.value:.1f} ms ({verifying_ms.low:.1f} to {verifying_ms.high:.1f}), {args.side} px")  # fmt: skip
    figures = {"trusted": trusted, "changed_but_trusted": believed, "signing_ms": signing_ms, "verifying_ms": verifying_ms}
    write(args.json, figures, side_px=args.side)


if __name__ == "__main__":
    main()
