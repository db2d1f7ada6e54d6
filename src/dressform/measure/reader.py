"""The reader: reads every attribute, and a coarse label map, back from a picture of a doll."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from dressform.backbones import precision
from dressform.errors import BadInput
from dressform.layfigure.canvas import GARMENT, LABELS, MARK, TRIM
from dressform.layfigure.doll import GARMENT_ATTRIBUTES, VOCABULARY
from dressform.pictures.sheets import STANDS_AT

MAP_SIDE = 32
"""The label map has 32 x 32 cells."""


class Look(NamedTuple):
    """One look at a picture: moved to the right and down by so many pixels, or larger and smaller about her feet."""

    right_px: int = 0
    down_px: int = 0
    size: float = 1.0


STEADY = (Look(), Look(1, 0), Look(-1, 0), Look(0, 1), Look(0, -1))
"""A small thing that reads otherwise one pixel aside was not read with certainty: most of all a skin of which two hands show."""
ANY_SIZE = (Look(), Look(size=0.88), Look(size=0.94), Look(size=1.06))
"""For figures cut out of a sheet: nobody knows how tall she stands in it."""


class _Block(nn.Module):
    """A residual block that may halve the picture."""

    def __init__(self, in_: int, out: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(in_, out, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(out)
        self.second = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(out)
        self.skip = nn.Conv2d(in_, out, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.norm1(self.first(x)))
        return functional.relu(self.norm2(self.second(y)) + self.skip(x))


class ReaderNet(nn.Module):
    """Picture [n, 3, 128, 128] in -1..1 -> one logit vector for each attribute, and label logits [n, labels, 32, 32].

    Each attribute looks where it wants to (an attention map of its own over the 32 x 32 cells), so that a colour is learned
    once and not at every place; pose and proportions are read from the coarse cells in their places.
    """

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        w, seen = width, 3 * width
        self.stem = nn.Sequential(nn.Conv2d(3, w, 5, 2, 2, bias=False), nn.BatchNorm2d(w), nn.ReLU())
        self.fine = _Block(w, 2 * w, 2)
        self.middle = nn.Sequential(_Block(2 * w, 3 * w, 2), _Block(3 * w, 3 * w, 1))
        self.coarse = nn.Sequential(_Block(3 * w, 4 * w, 2), _Block(4 * w, 4 * w, 1))
        self.squeeze = nn.Sequential(nn.Conv2d(4 * w, 32, 1), nn.ReLU(), nn.Flatten(), nn.Dropout(0.1))
        self.up = nn.Sequential(nn.Conv2d(2 * w + 3 * w + 4 * w, seen, 1, bias=False), nn.BatchNorm2d(seen), nn.ReLU())
        self.map = nn.Conv2d(seen, len(LABELS), 3, padding=1)
        self.where = nn.Conv2d(seen, len(VOCABULARY), 1)
        self.heads = nn.ModuleDict({name: nn.Linear(32 * 64 + 4 * w + seen, len(words)) for name, words in VOCABULARY.items()})

    def forward(self, x: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        fine = self.fine(self.stem(x))
        middle = self.middle(fine)
        coarse = self.coarse(middle)
        wide = [functional.interpolate(y, size=(MAP_SIDE, MAP_SIDE)) for y in (middle, coarse)]
        cells = self.up(torch.cat([fine, *wide], 1))
        glimpses = self.where(cells).flatten(2).softmax(2) @ cells.flatten(2).transpose(1, 2)
        placed = torch.cat([self.squeeze(coarse), coarse.amax((2, 3))], 1)
        logits = {name: head(torch.cat([placed, glimpses[:, i]], 1)) for i, (name, head) in enumerate(self.heads.items())}
        return logits, self.map(cells)


@dataclass(frozen=True)
class Reading:
    """What was read from one picture: a word for each attribute, and label cells [32][32].

    The neutral layer has no colour, second colour or pattern.
    """

    words: dict[str, str]
    cells: tuple[int, ...]
    """How many of the 32 x 32 cells were read as each label, in the order of ``LABELS``."""

    @property
    def garment_share(self) -> float:
        """Garment and trim cells over all cells of the figure."""
        return (self.cells[GARMENT] + self.cells[TRIM]) / max(1, sum(self.cells[1:]))

    @property
    def shows_colour(self) -> bool:
        """True where there is enough garment to speak of its colour."""
        return self.cells[GARMENT] >= 6

    @property
    def shows_mark(self) -> bool:
        """True where a mark is seen; the word for one is read anyway, and means nothing without."""
        return self.cells[MARK] > 0


class Reader:
    """The embedded reader, frozen. ``card`` is its own accuracy: kind of picture -> attribute -> share right."""

    def __init__(self, net: ReaderNet, card: dict[str, dict[str, float]], device: torch.device | str = "cpu") -> None:
        self.net, self.card, self._device = net.eval().requires_grad_(False).to(device), card, device

    def read(self, pictures: Tensor, looks: Sequence[Look] = STEADY) -> list[Reading]:
        """Read uint8 pictures [n, 3, h, w]; other sizes than 128 are resampled first.

        What is read at each look is averaged; how tall she is and the cells are the first's.
        """
        found: list[Reading] = []
        for part in pictures.split(64):
            found += self._read(part, looks)
        return found

    def label_shares(self, pictures: Tensor) -> Tensor:
        """How much of each place is read as each label: float [n, labels, 128, 128], for uint8 pictures [n, 3, h, w].

        Read at four places half a cell apart and averaged, which is finer than the 32 x 32 cells of one reading.
        """
        x, total = self._prepared(pictures), torch.zeros(len(pictures), len(LABELS), 128, 128)
        for down, right in ((0, 0), (2, 0), (0, 2), (2, 2)):
            shares = self._both(_seen(x, Look(right, down)))[1].float().softmax(1)
            total += _seen(functional.interpolate(shares, size=(128, 128), mode="bilinear"), Look(-right, -down)).cpu() / 4
        return total

    def _both(self, x: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        with torch.inference_mode(), precision.autocast(x.device):
            return self.net(x.contiguous(memory_format=torch.channels_last))

    def _read(self, pictures: Tensor, looks: Sequence[Look]) -> list[Reading]:
        x = self._prepared(pictures)
        both = [self._both(_seen(x, look)) for look in looks]
        sure = {name: torch.stack([logits[name].float().softmax(1) for logits, _ in both]).mean(0) for name in VOCABULARY}
        sure["height"] = both[0][0]["height"]
        picked = {name: shares.argmax(1).tolist() for name, shares in sure.items()}
        cells = functional.one_hot(both[0][1].argmax(1).flatten(1), len(LABELS)).sum(1).tolist()
        return [Reading(_words({k: v[i] for k, v in picked.items()}), tuple(cells[i])) for i in range(len(x))]

    def _prepared(self, pictures: Tensor) -> Tensor:
        """On the network's device, in -1..1, 128 pixels wide and high."""
        x = pictures.to(self._device).float().div(127.5).sub(1)
        return x if x.shape[-2:] == (128, 128) else functional.interpolate(x, size=(128, 128), mode="bilinear", antialias=True)


def _seen(x: Tensor, look: Look) -> Tensor:
    """x [n, c, 128, 128] as this look sees it; beyond the edge the edge goes on."""
    if look.size != 1:
        return _resized(x, look.size)
    edge, side = max(abs(look.right_px), abs(look.down_px)), x.shape[-1]
    top, left = edge - look.down_px, edge - look.right_px
    return functional.pad(x, (edge,) * 4, mode="replicate")[:, :, top : top + side, left : left + side] if edge else x


def _resized(x: Tensor, size: float) -> Tensor:
    theta = torch.tensor([[1 / size, 0.0, 0.0], [0.0, 1 / size, (2 * STANDS_AT - 1) * (1 - 1 / size)]]).expand(len(x), 2, 3)
    return functional.grid_sample(x, functional.affine_grid(theta, list(x.shape), align_corners=False), "bilinear", "border", False)


def _words(picked: dict[str, int]) -> dict[str, str]:
    words = {name: VOCABULARY[name][i] for name, i in picked.items()}
    if words["kind"] == "neutral":
        for name in GARMENT_ATTRIBUTES[1:]:
            del words[name]
    return words


def usual(readings: Sequence[Reading], names: Sequence[str]) -> dict[str, str]:
    """For each attribute the word read most often: what a set of pictures of one thing shows.

    A mark is seen from some sides alone: it is there where one picture in ten shows it.
    """
    found = {}
    for name in names:
        told = [r for r in readings if name in r.words]
        seen = [r.words[name] for r in told if name != "mark" or r.shows_mark]
        if name == "mark" and told and 10 * len(seen) < len(told):
            seen = ["none"]
        if seen:
            found[name] = max(sorted(set(seen)), key=seen.count)
    return found


def shipped_folder() -> Path:
    """Where the reader that the package carries lies."""
    return Path(str(files("dressform.pretrained"))) / "reader"


def load(folder: Path | None = None, device: torch.device | str = "cpu") -> Reader:
    """The reader of the package, or one from a folder with reader.safetensors and reader.json, on that device. Raises BadInput."""
    folder = folder or shipped_folder()
    weights, card = folder / "reader.safetensors", folder / "reader.json"
    if not weights.is_file():
        raise BadInput(f"no reader in {folder}: expected reader.safetensors")
    net = ReaderNet()
    net.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in load_file(weights).items()})
    return Reader(net, json.loads(card.read_text())["accuracy"] if card.is_file() else {}, device)
