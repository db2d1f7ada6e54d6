"""The state that each adapter is gone on with, as bytes: its values, moments and held-out losses, and a mark of what it is trained on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace

import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from dressform.errors import BadInput
from dressform.train.config import TrainConfig
from dressform.train.data import Examples
from dressform.train.learner import Learner

_HOW = ("micro_rows", "recompute", "offload")
"""Settings that say how it is computed, not what comes out."""
_MOMENTS = "moments."
_AGAIN = "run train with --restart to begin again"
_SINCE = {"optimizer": "adamw", "min_snr": None, "garment_share": 0.25}
"""Settings that came later, with values that change nothing about what was trained before: left so they are not in a mark, so it is
still known. Pictures that are called by garments have another digest."""


@dataclass(frozen=True)
class Mark:
    """What is trained, by hashes: a run goes on only where all of it is unchanged."""

    pictures: str
    recipe: str
    base_model: str
    identity: str

    @property
    def digest(self) -> str:
        """One hash of it all."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    def changed(self, before: Mark) -> list[str]:
        """In words, what differs from an earlier mark."""
        words = {"pictures": "pictures, masks or captions", "recipe": "recipe", "base_model": "base model", "identity": "identity"}
        return [words[f.name] for f in fields(self) if getattr(self, f.name) != getattr(before, f.name)]


def mark(
    config: TrainConfig, base_sha256: str, identity_sha256: str, sets: Sequence[Examples], own_steps: Sequence[int | None] = ()
) -> Mark:
    """The mark of a run on these sets; ``own_steps`` where jobs have their own."""
    if config.until == "steps":  # these count until converged alone
        config = replace(config, floor_steps=TrainConfig.floor_steps, check_steps=TrainConfig.check_steps)
    chosen = {k: v for k, v in asdict(config).items() if k not in _HOW and not (k in _SINCE and v == _SINCE[k])}
    recipe = chosen | {"own steps": [s for s in own_steps if s is not None]}
    pictures = "|".join(data.digest for data in sets)
    return Mark(_sha256(pictures), _sha256(json.dumps(recipe, sort_keys=True)), base_sha256, identity_sha256)


def to_bytes(step: int, mark: Mark, learner: Learner) -> bytes:
    """The state after ``step`` steps."""
    tensors = {
        "step": torch.tensor(step),
        "value": learner.values.detach(),
        "held_out": torch.tensor(learner.held_out_losses, dtype=torch.float64),
    }
    for key, value in learner.optimizer.state[learner.values].items():
        tensors[f"{_MOMENTS}{key}"] = value.detach().clone() if isinstance(value, Tensor) else torch.tensor(value)
    return save_tensors(tensors, {f"mark.{k}": v for k, v in asdict(mark).items()})


def restore(states: Sequence[bytes], marks: Sequence[Mark], learners: Sequence[Learner]) -> int:
    """Put saved states back, one of each learner, all of one step, and return it.

    Raises BadInput where one belongs to another run, naming what changed and in whose; then nothing is put back.
    """
    refuse_changed(marks, [mark_of(data) for data in states], [one.name for one in learners])
    found = [load_tensors(data) for data in states]
    if any("value" not in own or own["value"].shape != one.values.shape for own, one in zip(found, learners, strict=True)):
        raise BadInput(f"an unfinished training is there, begun by an earlier version of dressform: {_AGAIN}")
    with torch.no_grad():
        for own, one in zip(found, learners, strict=True):
            device = one.values.device
            one.values.copy_(own["value"])
            one.held_out_losses = own["held_out"].tolist()
            moments = {k.removeprefix(_MOMENTS): _back(v, device) for k, v in own.items() if k.startswith(_MOMENTS)}
            one.optimizer.state[one.values] = moments
    (step,) = {int(own["step"]) for own in found}
    return step


def refuse_changed(marks: Sequence[Mark], before: Sequence[Mark], names: Sequence[str], otherwise: str = _AGAIN) -> None:
    """Raises BadInput where what is trained is not what was begun: what changed, and in whose; ``otherwise`` says what else can be done."""
    changed: dict[str, list[str]] = {}
    for mark, earlier, name in zip(marks, before, names, strict=True):
        for what in mark.changed(earlier):
            changed.setdefault(what, []).append(name)
    if changed:
        said = ", ".join(f"{what} of {', '.join(whose)}" for what, whose in changed.items())
        raise BadInput(
            f"an unfinished training is there, but since then this has changed: {said}. "
            f"Change it back to go on where it stopped, or {otherwise}"
        )


def _back(value: Tensor, device: torch.device) -> Tensor | int:
    """Moments go to the device; a single whole number is Python's own (bitsandbytes' count of steps), any other one stays as it is."""
    if value.dim() == 0:
        return value if value.is_floating_point() else int(value)
    return value.to(device)


def mark_of(data: bytes) -> Mark:
    """What a state was trained on; empty words where it does not say."""
    found = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")]).get("__metadata__", {})
    return Mark(**{f.name: found.get(f"mark.{f.name}", "") for f in fields(Mark)})


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
