"""Whether a training fits this machine, counted on the base model's configurations before anything is loaded, and what makes it fit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import torch

from dressform import backbones
from dressform.backbones import memory as account
from dressform.backbones.assembled import Assembled
from dressform.backbones.memory import Settings, Training
from dressform.errors import NotReady
from dressform.train import memory
from dressform.train.config import TrainConfig
from dressform.train.optimizer import has_small
from dressform.workspace.workspace import Workspace

_GIB = 2**30


@dataclass(frozen=True)
class Rung:
    """Options of ``train`` as they are typed (empty: none), and bytes: all outfits together, and one picture at a time."""

    options: str
    together_bytes: int
    least_bytes: int


@dataclass(frozen=True)
class Room:
    """What may be used, of what (a card, or "this machine's memory"), and what ``outfits`` together would take of it.

    ``asked`` is what was asked for; ``rungs`` are what could be asked for where that does not fit, from what costs nothing to what
    costs most.
    """

    of: str
    budget_bytes: int
    side_px: int
    outfits: int
    asked: Rung
    rungs: tuple[Rung, ...]

    @property
    def together(self) -> Rung | None:
        """The first options with which they all fit together."""
        return next((rung for rung in self.rungs if rung.together_bytes <= self.budget_bytes), None)

    @property
    def least(self) -> Rung | None:
        """The first options with which they fit at least one after the other."""
        return next((rung for rung in self.rungs if rung.least_bytes <= self.budget_bytes), None)


def room(workspace: Workspace, config: TrainConfig, memory_bytes: int = 0, count: int = 0) -> Room:
    """What training ``count`` outfits (0: all of hers) by this recipe takes; ``memory_bytes`` (0: what is free) may be used in all."""
    base = workspace.backbone
    config = config.on(base)
    card = torch.cuda.get_device_name(base.device) if base.device.type == "cuda" else "this machine's memory"
    budget = memory_bytes or memory.budget_bytes(base.device)
    outfits, sketch = count or max(1, len(workspace.character.outfits)), _sketch(workspace.character.base_model, str(base.device))
    asked = _rung(sketch, config, outfits, _settings(config))
    others = _ladder(base.device) if asked.together_bytes > budget else ()
    rungs = tuple(_rung(sketch, config, outfits, settings) for settings in others)
    return Room(card, budget, base.size_px, outfits, asked, rungs or (asked,))


def refuse_too_large(workspace: Workspace, config: TrainConfig, budget_bytes: float) -> None:
    """Raises NotReady, with what would make it fit, where not even one picture at a time can fit.

    The account's allowance is left out: this is for what certainly fails. What is near is tried (train/trial.py).
    """
    sketch = _sketch(workspace.character.base_model, str(workspace.backbone.device))
    if _least(sketch, config, _settings(config)) - account.ALLOWANCE > budget_bytes:
        raise too_large(workspace, config, budget_bytes)


def too_large(workspace: Workspace, config: TrainConfig, budget_bytes: float) -> NotReady:
    """The refusal of a training that does not fit."""
    found = room(workspace, config, int(budget_bytes))
    needs = f"one picture at a time needs about {_gib(found.asked.least_bytes)}, and {_gib(found.budget_bytes)} of {found.of} may be used"
    less = [rung for rung in found.rungs if rung.least_bytes < found.asked.least_bytes]
    fits = next((rung for rung in less if rung.least_bytes <= found.budget_bytes), None)
    if fits is not None:
        return NotReady(f"{needs}: with {fits.options} it needs {_gib(fits.least_bytes)}")
    more = f" ({_gib(less[-1].least_bytes)} with {less[-1].options})" if less else ""
    return NotReady(f"{needs}{more}: close other programs, give more with --memory, or choose a smaller base model")


def lines(found: Room) -> list[str]:
    """For a person: what it takes, and, where that does not fit, what to do."""
    each = "; ".join(f"with {r.options} {_gib(r.together_bytes)}" for r in found.rungs if r.options and r != found.asked)
    asked = f" with {found.asked.options}" if found.asked.options else ""
    what = f"{found.outfits} outfits together" if found.outfits > 1 else "one outfit"
    said = [
        f"{what} at {found.side_px} x {found.side_px} would take about {_gib(found.asked.together_bytes)}{asked}"
        f"{f' ({each})' if each else ''}; {_gib(found.budget_bytes)} of {found.of} may be used"
    ]
    if found.asked.together_bytes > found.budget_bytes:
        said += _advice(found)
    return said


def _advice(found: Room) -> list[str]:
    if found.least is None:
        return ["by this account not even one picture at a time fits, whatever option is chosen"]
    whole = f"all together fit with {found.together.options}" if found.together else "all together do not fit"
    asked = found.asked.least_bytes <= found.budget_bytes
    if found.together is found.least and not asked:
        return [whole]
    how = "as asked" if asked else f"with {found.least.options}"
    return [f"{whole}; {how}, fewer are trained together, or fewer pictures in a pass, with the same result"]


def _ladder(device: torch.device) -> tuple[Settings, ...]:
    """What can be done on this device: a CPU has no other memory to offload to, and moments of 8 bits need a package."""
    away, small = device.type != "cpu", has_small()
    each = (replace(s, offload=s.offload and away, small_optimizer=s.small_optimizer and small) for s in account.LADDER[1:])
    return tuple(dict.fromkeys(each))


def _settings(config: TrainConfig) -> Settings:
    return Settings(True, config.recompute, config.optimizer == "adamw8bit", config.offload)


def _typed(settings: Settings) -> str:
    """The settings as options of ``train``."""
    words = {"--recompute": settings.checkpoint_gradients, "--optimizer adamw8bit": settings.small_optimizer, "--offload": settings.offload}
    return " ".join(word for word, on in words.items() if on)


def _rung(sketch: Assembled, config: TrainConfig, outfits: int, settings: Settings) -> Rung:
    side = sketch.size_px
    together = account.estimate(sketch, Training(side, side, outfits, config.rows, config.rank, config.targets), settings)
    return Rung(_typed(settings), together.total, _least(sketch, config, settings))


def _least(sketch: Assembled, config: TrainConfig, settings: Settings) -> int:
    side = sketch.size_px
    return account.estimate(sketch, Training(side, side, 1, 1, config.rank, config.targets), settings).total


@lru_cache(maxsize=2)
def _sketch(base_model: str, device: str) -> Assembled:
    return backbones.sketched_for(base_model, torch.device(device))


def _gib(count: float) -> str:
    return f"{count / _GIB:.1f} GiB"
