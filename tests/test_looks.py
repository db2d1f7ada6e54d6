"""The looks that a reading is the average of."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dressform.layfigure.canvas import LABELS
from dressform.layfigure.doll import VOCABULARY
from dressform.measure import reader as reading
from dressform.measure.reader import Look, Reader


def test_a_look_moves_the_picture_and_its_edge_goes_on() -> None:
    x = torch.arange(128.0).expand(1, 1, 128, 128)
    assert torch.equal(reading._seen(x, Look(2, 0))[0, 0, 0, :4], torch.tensor([0.0, 0.0, 0.0, 1.0]))
    assert torch.equal(reading._seen(x.mT, Look(0, -1))[0, 0, -3:, 0], torch.tensor([126.0, 127.0, 127.0]))
    assert torch.equal(reading._seen(reading._seen(x, Look(3, 1)), Look(-3, -1))[..., 4:-4, 4:-4], x[..., 4:-4, 4:-4])


class _Sees(nn.Module):
    """Says the second word of every attribute, surely, where the picture's first pixel is dark, and the first one faintly elsewhere."""

    def forward(self, x: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        dark = (x[:, 0, 0, 0] < 0).float()[:, None]
        logits = {n: torch.cat([1 - dark, 9 * dark, dark.expand(-1, len(w) - 2) * 0 - 9], 1) for n, w in VOCABULARY.items()}
        return logits, torch.zeros(len(x), len(LABELS), 32, 32)


def test_looks_are_averaged_and_the_first_alone_says_how_tall_she_is() -> None:
    picture = torch.full((1, 3, 128, 128), 255, dtype=torch.uint8)
    picture[..., 1:] = 0  # light at the left edge alone: dark once the picture has moved to the left
    reader = Reader(_Sees(), {})  # type: ignore[arg-type]
    [once], [often] = reader.read(picture, [Look()]), reader.read(picture, [Look(), Look(-1, 0), Look(-1, 0)])
    assert once.words["skin"] == VOCABULARY["skin"][0] and often.words["skin"] == VOCABULARY["skin"][1]
    assert once.words["height"] == often.words["height"] == VOCABULARY["height"][0]


def test_a_picture_of_another_height_is_resampled() -> None:
    reader = Reader(_Sees(), {})  # type: ignore[arg-type]
    assert len(reader.read(torch.zeros(1, 3, 256, 128, dtype=torch.uint8), [Look()])) == 1
