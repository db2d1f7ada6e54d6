"""Turnaround sheets with the truth beside them: dolls in a row, what is drawn around them, and whose each pixel is."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from dressform.layfigure.backgrounds import background
from dressform.layfigure.doll import BACKGROUNDS, Doll, Garment, Identity, Scene
from dressform.layfigure.render import render
from dressform.layfigure.world import random_garment, random_identity

VIEWS = {
    2: ("front", "back"), 3: ("front", "side", "back"), 4: ("front", "three-quarter", "side", "back"),
    5: ("front", "three-quarter", "side", "back", "front"), 6: ("front", "three-quarter", "side", "back", "front", "side"),
}  # fmt: skip
_POSES = ("standing", "standing", "standing", "akimbo", "walking")
_PAPERS = ((255, 255, 255), (252, 252, 250), (246, 240, 228), (232, 236, 244), (206, 208, 212), (60, 62, 70))


@dataclass(frozen=True)
class Made:
    """``pixels`` uint8 [h, w, 3]; ``owners`` uint8 [h, w]: 1..n in the visible part of each figure, 0 elsewhere."""

    pixels: np.ndarray
    owners: np.ndarray
    count: int
    ground: str
    touching: bool


def sheet(seed: int, figure_px: int = 320) -> Made:
    """One sheet, the same for the same seed: everything about it is drawn from it."""
    rng = random.Random(seed)
    count = rng.randint(2, 6)
    who, worn = random_identity(rng), random_garment(rng) if rng.random() < 0.7 else None
    pose = rng.choice(_POSES)
    dolls = [Doll(who, worn, Scene(view, pose)) for view in VIEWS[count]]
    return laid_out(rng, dolls, rng.random() < 0.4, figure_px)


def turnaround(who: Identity, worn: Garment | None, seed: int, figure_px: int = 256) -> Made:
    """One doll's front, side and back side by side, none touching another, with what is usually drawn around them."""
    rng = random.Random(seed)
    return laid_out(rng, [Doll(who, worn, Scene(view)) for view in VIEWS[3]], False, figure_px)


def laid_out(rng: random.Random, dolls: Sequence[Doll], touching: bool, figure_px: int) -> Made:
    """These dolls in a row; the rest is drawn from ``rng``."""
    drawn = [_rendered(doll, figure_px) for doll in dolls]
    widths = [d.shape[1] for d in drawn]
    gaps = [_gap(rng, touching, figure_px) for _ in dolls[1:]]
    margin_x, margin_y = rng.randint(figure_px // 10, figure_px // 3), rng.randint(figure_px // 8, figure_px // 4)
    width, height = 2 * margin_x + sum(widths) + sum(gaps), 2 * margin_y + figure_px
    ground = rng.choice(("paper", "paper", "gradient", "noise", "grid", "dots", "blobs", *BACKGROUNDS))
    pixels, owners = _ground(rng, ground, width, height), np.zeros((height, width), np.uint8)
    base = margin_y + figure_px
    pixels = _extras(rng, pixels, margin_x, base, figure_px)
    x = margin_x
    order = []
    for i, part in enumerate(drawn):
        order.append((i, x, base - part.shape[0] + rng.randint(-2, 2)))
        x += part.shape[1] + (gaps[i] if i < len(gaps) else 0)
    rng.shuffle(order)
    for i, left, top in order:
        shape = drawn[i][..., 3] > 127
        h, w = shape.shape
        share = drawn[i][..., 3:].astype(np.float32) / 255
        window = pixels[top : top + h, left : left + w]
        pixels[top : top + h, left : left + w] = (drawn[i][..., :3] * share + window * (1 - share)).astype(np.uint8)
        owners[top : top + h, left : left + w][shape] = i + 1
    return Made(pixels, owners, len(dolls), ground, touching)


def single(seed: int, size: int = 320) -> np.ndarray:
    """One doll in any scene: a picture that is no sheet."""
    from dressform.layfigure.world import random_scene

    rng = random.Random(seed)
    worn = random_garment(rng) if rng.random() < 0.8 else None
    return np.ascontiguousarray(render(Doll(random_identity(rng), worn, random_scene(rng)), size).picture)


def _rendered(doll: Doll, size: int) -> np.ndarray:
    """The doll alone, cut to her edges: uint8 RGBA [h, w, 4]. The softness of her edge comes from two renders on other papers."""
    light = render(doll, size)
    dark = render(replace(doll, scene=replace(doll.scene, background="grey")), size)
    far = background("white", 4).view(np.uint8).reshape(4, 4, 4)[0, 0, :3].astype(np.float32)
    grey = _paper_of("grey", size)
    white = _paper_of("white", size)
    change = np.abs(light.picture.astype(np.float32) - dark.picture).sum(axis=-1)
    most = np.abs(white.astype(np.float32) - grey).sum(axis=-1)
    alpha = np.clip(1 - change / np.maximum(most, 1), 0, 1)
    own = (light.picture - far * (1 - alpha[..., None])) / np.maximum(alpha[..., None], 0.05)
    rgba = np.dstack([np.clip(own, 0, 255), alpha * 255]).astype(np.uint8)
    rows, columns = np.nonzero((alpha > 0.02).any(axis=1))[0], np.nonzero((alpha > 0.02).any(axis=0))[0]
    return rgba[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _paper_of(name: str, size: int) -> np.ndarray:
    raw = background(name, size * 4).view(np.uint8).reshape(size * 4, size * 4, 4)[..., :3]
    return np.asarray(Image.fromarray(np.ascontiguousarray(raw)).reduce(4))


def _gap(rng: random.Random, touching: bool, size: int) -> int:
    """Room between two figures' edges; below zero they overlap, as long hair and hands do."""
    if touching and rng.random() < 0.7:
        return -rng.randint(1, size // 22)
    return rng.randint(size // 40, size // 5)


def _ground(rng: random.Random, kind: str, width: int, height: int) -> np.ndarray:
    paper = np.array(rng.choice(_PAPERS), np.float32)
    grain = np.random.default_rng(rng.randrange(1 << 32))
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    flat = np.broadcast_to(paper, (height, width, 3)).copy()
    if kind in BACKGROUNDS:
        side = 512
        raw = background(kind, side).view(np.uint8).reshape(side, side, 4)[..., :3]
        return np.asarray(Image.fromarray(np.ascontiguousarray(raw)).resize((width, height), Image.Resampling.BILINEAR)).copy()
    other = np.clip(paper + np.array([rng.randint(-46, 46) for _ in range(3)], np.float32), 0, 255)
    if kind == "gradient":
        turn = rng.uniform(0, 6.28)
        share = ((x / width - 0.5) * np.cos(turn) + (y / height - 0.5) * np.sin(turn)) * 0.7 + 0.5
        flat = paper * (1 - share[..., None]) + other * share[..., None]
    elif kind == "noise":
        flat += grain.normal(0, rng.uniform(2, 7), flat.shape)
    elif kind == "grid":
        step = rng.randint(18, 48)
        flat[(x % step < 1.5) | (y % step < 1.5)] = np.clip(paper - 38, 0, 255)
    elif kind == "dots":
        step = rng.randint(10, 26)
        flat[(x % step - step / 2) ** 2 + (y % step - step / 2) ** 2 < (step / 4) ** 2] = other
    elif kind == "blobs":
        for _ in range(rng.randint(6, 16)):
            r, cx, cy = rng.uniform(0.02, 0.08) * height, rng.uniform(0, width), rng.uniform(0, height)
            tint = np.clip(paper + np.array([rng.randint(-40, 40) for _ in range(3)]), 0, 255)
            flat[(x - cx) ** 2 + (y - cy) ** 2 < r * r] = tint
    return np.clip(flat, 0, 255).astype(np.uint8)


def _extras(rng: random.Random, pixels: np.ndarray, margin_x: int, base: int, size: int) -> np.ndarray:
    """Ground line, labels, a title, and a palette beside, each sometimes. A palette widens the sheet."""
    if rng.random() < 0.5:
        image = Image.fromarray(pixels)
        paint = ImageDraw.Draw(image)
        at = base - rng.randint(0, 3)
        paint.line((rng.randint(0, margin_x), at, image.width - rng.randint(0, margin_x), at), fill=_ink(pixels), width=rng.randint(1, 3))
        pixels = np.asarray(image).copy()
    if rng.random() < 0.6:
        image = Image.fromarray(pixels)
        paint = ImageDraw.Draw(image)
        for i, word in enumerate(("FRONT", "SIDE", "BACK")[: rng.randint(1, 3)]):
            paint.text((margin_x + i * size // 2, base + 6), word, fill=_ink(pixels), font_size=rng.randint(10, size // 16))
        if rng.random() < 0.5:
            paint.text((margin_x, 3), "Character sheet 01", fill=_ink(pixels), font_size=rng.randint(10, size // 12))
        pixels = np.asarray(image).copy()
    if rng.random() < 0.5:
        pixels = _palette(rng, pixels, margin_x, base, size)
    return pixels


def _palette(rng: random.Random, pixels: np.ndarray, margin_x: int, base: int, size: int) -> np.ndarray:
    """A column of swatches in the right margin, where there is room for one."""
    side = min(rng.randint(size // 16, size // 8), margin_x - 8)
    image = Image.fromarray(pixels)
    paint = ImageDraw.Draw(image)
    x, y = image.width - side - 4, base - size + rng.randint(0, size // 4)
    apart = rng.choice((0, 0, side // 3))
    for _ in range(rng.randint(3, 7)):
        colour = tuple(rng.randint(0, 255) for _ in range(3))
        paint.rectangle((x, y, x + side, y + side), fill=colour, outline=_ink(pixels) if rng.random() < 0.5 else None)
        y += side + apart
    return np.asarray(image).copy()


def _ink(pixels: np.ndarray) -> tuple[int, int, int]:
    return (40, 40, 46) if pixels.mean() > 110 else (224, 224, 228)


def blurred(pixels: np.ndarray, radius: float) -> np.ndarray:
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(radius)))
