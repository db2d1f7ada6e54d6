"""How long an intake takes beyond decoding, into a real vault, and how much memory it takes for many files."""

from __future__ import annotations

import io
import os
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.pictures.settings import Settings
from dressform.layfigure.backgrounds import background
from dressform.records import Figure

SIDE_PX, TARGET_SECONDS_PER_1000 = 1024, 60.0


def measure(settings: Settings) -> dict[str, Figure]:
    """Seconds for each picture of 1024 x 1024 (half PNG, half JPEG): all of it, decoding alone, and what is between.

    ``of_the_allowance`` is the time beyond decoding over 60 ms, which 1,000 pictures in a minute would be.
    """
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        os.environ["DRESSFORM_HOME"] = str(folder / "keys")
        files = _made(folder / "pictures", settings)
        decoding = _seconds(lambda: [_decoded(file) for file in files])
        before, threads = resource.getrusage(resource.RUSAGE_SELF), time.process_time()
        total = _seconds(lambda: _taken(folder))
        used = time.process_time() - threads
        peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before.ru_maxrss) / 1024
    n = len(files)
    beyond = (total - decoding) / n
    found = {
        "intake_seconds_a_picture": total / n,
        "decoding_seconds_a_picture": decoding / n,
        "beyond_decoding_seconds_a_picture": beyond,
        "of_the_allowance": 1000 * beyond / TARGET_SECONDS_PER_1000,
        "processor_seconds_a_picture": used / n,
        "memory_growth_megabytes": peak,
    }
    return {name: Figure(value, n, value, value) for name, value in found.items()}


def _made(folder: Path, settings: Settings) -> list[Path]:
    """Pictures of a scene with drawn lines and grain, every one different; half of them PNG."""
    folder.mkdir()
    rng = np.random.default_rng(settings.seed)
    paper = np.ascontiguousarray(background("park", SIDE_PX).view(np.uint8).reshape(SIDE_PX, SIDE_PX, 4)[..., :3])
    out = []
    for i in range(settings.pictures):
        pixels = paper.astype(np.int16) + rng.integers(-2, 3, paper.shape, dtype=np.int8)
        for _ in range(60):
            y, x = rng.integers(0, SIDE_PX - 200, 2)
            pixels[y : y + 24, x : x + rng.integers(3, 60)] = rng.integers(0, 255, 3)
        data = io.BytesIO()
        kind = ("PNG", "JPEG")[i % 2]
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(
            data, kind, **({"compress_level": 1} if kind == "PNG" else {"quality": 92})
        )
        out.append(folder / f"{i:05}.{kind.lower()}")
        out[-1].write_bytes(data.getvalue())
    return out


def _decoded(file: Path) -> None:
    with Image.open(file) as image:
        image.convert("RGB").load()


def _taken(folder: Path) -> None:
    from types import SimpleNamespace

    from dressform.records import Character
    from dressform.vault import keys, owner, vault
    from dressform.workspace import character_file, consenting
    from dressform.workspace.workspace import Workspace

    root, person = folder / "aoi", owner.Owner(keys.new_identity())
    sealed = vault.create(root / "vault", {"owner": person.recipient})
    sealed.write("consent/owner", person.signing_key.public_key().public_bytes_raw())
    character_file.write(root, Character("aoi", "aoi", "original", 27, "layfigure"))
    her = Workspace(root, sealed, person)
    her.__dict__["backbone"] = SimpleNamespace(size_px=SIDE_PX, sha256="")  # nothing of a base model is used but its size
    consenting.grant(her, ("add",), (), None, "en")
    report = her.add([folder / "pictures"], None)
    assert not report.left_out, report.left_out[0]
    sealed.close()


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
