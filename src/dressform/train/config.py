"""What can be chosen for a run."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import get_args

from dressform.backbones.protocol import Backbone
from dressform.errors import BadInput
from dressform.train.data import Shares
from dressform.train.optimizer import Kind


@dataclass(frozen=True)
class TrainConfig:
    """One adapter's recipe; the same for each adapter of a run."""

    steps: int = 400
    """Optimizer updates."""
    rows: int = 4
    """Pictures of one adapter in each step."""
    rank: int = 8
    alpha: float = 8.0
    learning_rate: float = 2e-3
    warmup_steps: int = 20
    clip_norm: float = 1.0
    """Largest gradient norm, for each adapter by itself."""
    preserve: float = 1.0
    """Weight of "changes nothing outside the garment" (lambda of L_k)."""
    anchor: float = 1.0
    """Weight of "under the garment she is her neutral layer" where the identity comes from dressed pictures (alpha)."""
    drop_caption: float = 0.1
    """Share of rows with the empty caption, where an adapter learns to change nothing: guidance then takes nothing of hers away."""
    garment_share: float = 0.25
    """Share of the identity's rows whose caption names a garment that the picture does not show, where there are words for her."""
    noisy_share: float = 0.5
    """Share of rows in the noisiest fifth of the time steps, beside the even ones."""
    targets: str = "attention"
    """Layers adapted: "attention", "all" (convolutions too), or "auto" in a recipe: what the base model usually takes."""
    seed: int = 0
    until: str = "steps"
    """When an adapter ends: after its "steps", or once it has "converged" on pictures held out (``steps`` is the ceiling)."""
    floor_steps: int = 100
    """Until converged: no adapter ends before."""
    check_steps: int = 25
    """Until converged: steps between two looks at the held-out pictures."""
    micro_rows: int = 0
    """At most so many rows of each adapter in one forward and backward pass; 0 for all. The result is the same."""
    recompute: bool = False
    """Gradient checkpointing: blocks are computed twice and their insides not kept. The result is the same."""
    offload: bool = False
    """The denoiser's blocks lie in the machine's memory and come to the GPU one at a time; with recompute. The result is the same."""
    optimizer: Kind = "adamw"
    """ "adamw8bit" keeps AdamW's moments in 8 bits (bitsandbytes): nearly the same result in less memory."""
    min_snr: float | None = None
    """Min-SNR weighting (Hang et al. 2023): the gamma at which times of little noise count no more. None: every time counts alike."""

    def __post_init__(self) -> None:
        if self.steps < 1 or self.rows < 1 or self.rank < 1:
            raise BadInput(f"steps {self.steps}, rows {self.rows}, rank {self.rank}: each must be at least 1")
        if self.until not in ("steps", "converged"):
            raise BadInput(f"until {self.until!r}: use 'steps' or 'converged'")
        if self.check_steps < 1 or self.floor_steps < 1 or self.micro_rows < 0:
            raise BadInput(f"check_steps {self.check_steps}, floor_steps {self.floor_steps}, micro_rows {self.micro_rows}: too small")
        if self.targets not in ("auto", "attention", "all"):
            raise BadInput(f"targets {self.targets!r}: use 'auto', 'attention' or 'all'")
        self._check_numbers()
        self._check_means()

    @property
    def shares(self) -> Shares:
        return Shares(self.drop_caption, self.noisy_share, self.garment_share)

    def on(self, backbone: Backbone) -> TrainConfig:
        """The recipe for this base model: "auto" targets become the layers that it usually takes."""
        return replace(self, targets=backbone.usual_targets) if self.targets == "auto" else self

    def _check_numbers(self) -> None:
        for name in ("noisy_share", "garment_share", "drop_caption"):
            if not 0 <= getattr(self, name) < 1:
                raise BadInput(f"{name} {getattr(self, name)}: use 0 or more and under 1")
        for name in ("learning_rate", "warmup_steps", "preserve", "anchor"):
            if not 0 <= getattr(self, name) < math.inf:
                raise BadInput(f"{name} {getattr(self, name)}: use 0 or more")
        for name in ("alpha", "clip_norm"):
            if not 0 < getattr(self, name) < math.inf:
                raise BadInput(f"{name} {getattr(self, name)}: use a number over 0")

    def _check_means(self) -> None:
        if self.offload and not self.recompute:
            raise BadInput("offload without recompute: kept blocks keep their weights too, so nothing would be saved; use both")
        if self.optimizer not in get_args(Kind):
            raise BadInput(f"optimizer {self.optimizer!r}: use {' or '.join(get_args(Kind))}")
        if self.min_snr is not None and not 0 < self.min_snr < math.inf:
            raise BadInput(f"min_snr {self.min_snr}: use a number over 0 (5 is usual), or leave it out")
