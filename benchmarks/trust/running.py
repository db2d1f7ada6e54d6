"""A small character whose training can be started in a process of its own, watched step by step, and killed."""

from __future__ import annotations

import os
import random
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from PIL import Image

from dressform.errors import Refused
from dressform.layfigure.captions import scene_tags
from dressform.layfigure.doll import Doll
from dressform.layfigure.render import render
from dressform.layfigure.world import HELD_OUT_DESIGNS, HELD_OUT_IDENTITIES, random_scene
from dressform.train.events import StepDone
from dressform.workspace import training, workspace

STAGES = 2
_fresh = get_context("forkserver")
_fresh.set_forkserver_preload([__name__, "dressform.backbones.stable_diffusion", "diffusers", "transformers"])


def make(place: Path, pictures: int = 3) -> None:
    """A character on the tiny base model in ``place``, with neutral pictures and a dress, ready to be trained."""
    from tests import tiny

    tiny.write(place / "base")
    rng = random.Random(0)
    for name, worn in (("neutral", None), ("dress", HELD_OUT_DESIGNS["dress-a"])):
        (place / name / "masks").mkdir(parents=True)
        for i in range(pictures):
            scene = random_scene(rng)
            drawn = render(Doll(HELD_OUT_IDENTITIES["aoi"], worn, scene), 64)
            Image.fromarray(np.ascontiguousarray(drawn.picture)).save(place / name / f"{i}.png")
            (place / name / f"{i}.txt").write_text(", ".join(scene_tags(scene)))
            if worn:
                Image.fromarray(drawn.garment_mask).save(place / name / "masks" / f"{i}.png")
    with at_home(place):
        workspace.create(place / "aoi", workspace.Asked("aoi", 24, base_model=str(place / "base")))
        with workspace.opened(place / "aoi") as her:
            her.add([place / "neutral"], None)
            her.add([place / "dress"], "dress")


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
