"""Live figures of a training: how fast, how much memory, how long still; as JSON lines and TensorBoard events, with no captions in them."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from dressform.errors import StoreError
from dressform.train import tfevents
from dressform.train.events import Speed, StepDone

_LAST_STEPS = 20


class Meter:
    """Measures one stage as it runs: the speed of the last twenty steps. ``clock`` in seconds, ``memory`` in bytes."""

    def __init__(self, memory: Callable[[], int], clock: Callable[[], float] = time.monotonic) -> None:
        self._memory, self._clock = memory, clock
        self._seen: deque[tuple[float, int]] = deque([(clock(), 0)], maxlen=_LAST_STEPS + 1)

    def __call__(self, event: StepDone) -> StepDone:
        """The event with its speed."""
        self._seen.append((self._clock(), event.pictures))
        seconds = max(1e-9, self._seen[-1][0] - self._seen[0][0])
        steps = (len(self._seen) - 1) / seconds
        pictures = sum(n for _, n in list(self._seen)[1:]) / seconds
        return replace(event, speed=Speed(steps, pictures, self._memory(), (event.steps - event.step) / steps))


class Record:
    """Writes every step of a stage into a folder: ``steps.jsonl``, and an event file of its own for each run."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        self._folder, self._clock = folder, clock

    @cached_property
    def _events(self) -> Path:
        """Begun with the first step: a run with nothing to do leaves no file."""
        return tfevents.new_file(self._folder, self._clock())

    def write(self, stage: str, event: StepDone) -> None:
        """One step. Raises StoreError where the folder cannot be written."""
        try:
            self._write(stage, event)
        except OSError as error:
            raise StoreError(f"{self._folder}: could not be written ({error.strerror}); make room, or move away what is there") from error

    def _write(self, stage: str, event: StepDone) -> None:
        now = self._clock()
        said = {"time": round(now, 3), "stage": stage, "step": event.step, "steps": event.steps, "loss": event.losses}
        values = {f"loss/{name}": loss for name, loss in event.losses.items()}
        if event.held_out:
            said["held_out"] = event.held_out
            values |= {f"held_out/{name}": loss for name, loss in event.held_out.items()}
        if event.speed:
            speed = {
                "steps_a_second": event.speed.steps_a_second,
                "pictures_a_second": event.speed.pictures_a_second,
                "memory_bytes": event.speed.memory_bytes,
                "seconds_left": event.speed.seconds_left,
            }
            said |= speed
            values |= {f"{stage}/{name}": value for name, value in speed.items()}
        with self._events.open("ab") as out:
            out.write(tfevents.record(tfevents.scalars(now, event.step, values)))
        with (self._folder / "steps.jsonl").open("a") as out:
            out.write(json.dumps(said) + "\n")
