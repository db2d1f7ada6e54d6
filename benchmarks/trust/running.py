"""A small character whose training can be started in a process of its own, watched step by step, and killed."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

from dressform.errors import Refused
from dressform.layfigure import samples
from dressform.layfigure.world import HELD_OUT_DESIGNS, HELD_OUT_IDENTITIES
from dressform.train.events import StepDone
from dressform.workspace import creating, training, workspace

STAGES = 2
_fresh = get_context("forkserver")
_fresh.set_forkserver_preload([__name__, "dressform.backbones.stable_diffusion", "diffusers", "transformers"])


def make(place: Path, pictures: int = 3, outfits: Sequence[str] = ("dress",)) -> None:
    """A character on the tiny base model in ``place``, with neutral pictures and outfits of these kinds, ready to be trained."""
    from tests import tiny

    tiny.write(place / "base")
    aoi = HELD_OUT_IDENTITIES["aoi"]
    samples.draw(place / "neutral", aoi, None, pictures, seed=0, size=64)
    for i, name in enumerate(outfits):
        samples.draw(place / name, aoi, HELD_OUT_DESIGNS[f"{name}-a"], pictures, seed=1 + i, size=64)
    with at_home(place):
        creating.create(place / "aoi", creating.Asked("aoi", 24, base_model=str(place / "base")))
        with workspace.opened(place / "aoi") as her:
            her.add([place / "neutral"], None)
            for name in outfits:
                her.add([place / name], name)


def copied(place: Path, to: Path) -> Path:
    """The character and her owner's keys once more; the base model stays where it is."""
    shutil.copytree(place / "keys", to / "keys")
    shutil.copytree(place / "aoi", to / "aoi")
    return to


def adapters(place: Path) -> dict[str, str]:
    """SHA-256 of every adapter file in the vault."""
    with at_home(place), workspace.opened(place / "aoi") as her:
        return {n: sha256(her.store.read(n)).hexdigest() for n in her.store.list("adapters/") if n.endswith(".safetensors")}


@contextmanager
def at_home(place: Path) -> Iterator[None]:
    """With the keys of this place."""
    os.environ["DRESSFORM_HOME"] = str(place / "keys")
    yield


class Running:
    """One training process. Iterating gives the seconds (monotonic clock) at which each step passed the gate."""

    def __init__(self, place: Path, steps: int) -> None:
        self._pipe, theirs = _fresh.Pipe(duplex=False)
        self.process = _fresh.Process(target=_train, args=(place, steps, theirs))
        self.process.start()
        theirs.close()
        self.refused = False

    def __iter__(self) -> Iterator[float]:
        while True:
            try:
                said = self._pipe.recv()
            except EOFError:
                return self.process.join()
            if said is None:
                self.refused = True
            else:
                yield said

    def kill(self) -> None:
        """SIGKILL: nothing is tidied up."""
        self.process.kill()
        self.process.join()


def _train(place: Path, steps: int, pipe: Connection) -> None:
    import torch

    torch.set_num_threads(1)

    def on_step(_what: str, _event: StepDone) -> None:
        pipe.send(time.monotonic())

    with at_home(place), workspace.opened(place / "aoi") as her:
        try:
            training.run(her, *training.recipes(2, 0, steps), on_step=on_step)
        except Refused:
            pipe.send(None)
