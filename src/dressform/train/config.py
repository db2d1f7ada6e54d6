"""What can be chosen for a run."""

from __future__ import annotations

from dataclasses import dataclass

from dressform.errors import BadInput


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
    """Share of rows trained on the empty caption, so that guidance knows the adapter too."""
    noisy_share: float = 0.5
    """Share of rows in the noisiest fifth of the time steps, beside the even ones."""
    targets: str = "attention"
    """Layers adapted: "attention", or "all" (convolutions too)."""
    seed: int = 0

    def __post_init__(self) -> None:
        if self.steps < 1 or self.rows < 1 or self.rank < 1:
            raise BadInput(f"steps {self.steps}, rows {self.rows}, rank {self.rank}: each must be at least 1")
        if not 0 <= self.noisy_share < 1:
            raise BadInput(f"noisy_share {self.noisy_share}: use 0 or more and under 1")
        if self.targets not in ("attention", "all"):
            raise BadInput(f"targets {self.targets!r}: use 'attention' or 'all'")
