"""Accessories as ``measure`` tries them on: what their own pictures show of them, and what probes with and without them show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import torch
from torch import Tensor

from dressform.layfigure.doll import GARMENT_ATTRIBUTES, Doll, Garment, Identity, Scene
from dressform.layfigure.render import render
from dressform.layfigure.visible import visible
from dressform.measure.accessories import Appearance, appearance, shows
from dressform.measure.reader import Reader, Reading
from dressform.measure.separation import NEUTRAL, Probe, Truth, identity_right, outfit_right
from dressform.measure.statistics import share
from dressform.pictures import intake
from dressform.records import Figure, Picture
from dressform.workspace.describing import read_pictures, sample
from dressform.workspace.workspace import Workspace


def tried_on(
    workspace: Workspace, reader: Reader, name: str, truth: Truth,
    without: Sequence[tuple[Probe, Tensor]], with_it: Sequence[tuple[Probe, Tensor]],
) -> dict[str, Figure]:  # fmt: skip
    """The figures of one accessory. Each probe comes with its picture, uint8 [3, h, w]; the two lists ask for the same pictures."""
    side = workspace.backbone.size_px
    known, hers, seen = _known(workspace, reader, name, truth, side)
    asked, unasked = ([_shown(known, truth, p, picture, side) for p, picture in part] for part in (with_it, without))
    return {
        "shows": share(one for one in asked if one is not None),
        "unasked": share(one for one in unasked if one is not None),
        "outfit_fidelity_without": share(outfit_right(p, truth) for p, _ in without),
        "outfit_fidelity_with": share(outfit_right(p, truth) for p, _ in with_it),
        "identity_fidelity_without": share(identity_right(p, truth) for p, _ in without),
        "identity_fidelity_with": share(identity_right(p, truth) for p, _ in with_it),
        "seen_in_true": share(seen),
        "identity_in_true": share(hers),
    }


def _known(workspace: Workspace, reader: Reader, name: str, truth: Truth, side: int) -> tuple[Appearance, list[bool], list[bool]]:
    """What it looks like; and for each of its own pictures whether the reader knows her, and whether it is seen after the autoencoder."""
    pictures = masked(workspace, name)
    pixels = [intake.fitted(intake.from_png(workspace.store.read(f"pictures/{p.id}.png")), side) for p in pictures]
    masks = [_mask(workspace, p.id, side) for p in pictures]
    readings = read_pictures(workspace, reader, pictures)
    views = [r.words["view"] for r in readings]
    found = appearance(pixels, masks, views)
    base = workspace.backbone
    again = base.decode(base.encode_pictures(torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2)))
    dolls = [_read_doll(truth, r) for r in readings]
    drawn = [render(d, side) for d in dolls]
    seen = [shows(found, _rows_last(p), d.picture, v) for p, d, v in zip(again, drawn, views, strict=True)]
    probes = [Probe(NEUTRAL, asdict(d.scene), r, visible(d, one)) for d, one, r in zip(dolls, drawn, readings, strict=True)]
    return found, [identity_right(p, truth) for p in probes], [one for one in seen if one is not None]


def masked(workspace: Workspace, name: str) -> list[Picture]:
    """Pictures of an accessory whose mask has something in it at the base model's size; a few dozen at most."""
    side = workspace.backbone.size_px
    return [p for p in sample([p for p in workspace.pictures(name) if p.has_mask]) if _mask(workspace, p.id, side).any()]


def _shown(known: Appearance, truth: Truth, probe: Probe, picture: Tensor, side: int) -> bool | None:
    worn = truth.outfits.get(probe.asked)
    dressed = Garment(**worn) if worn and worn["kind"] != NEUTRAL else None
    without = render(Doll(Identity(**truth.identity), dressed, Scene(**probe.scene)), side).picture
    return shows(known, _rows_last(picture), without, probe.scene["view"])


def _read_doll(truth: Truth, reading: Reading) -> Doll:
    """She, in what and as a picture was read to show her."""
    words = reading.words
    worn = None if words["kind"] == NEUTRAL else Garment(**{n: words[n] for n in GARMENT_ATTRIBUTES})
    return Doll(Identity(**truth.identity), worn, Scene(words["view"], words["pose"], words["background"]))


def _mask(workspace: Workspace, id_: str, side: int) -> np.ndarray:
    return intake.fitted_mask(intake.from_png(workspace.store.read(f"pictures/{id_}.mask.png")) > 127, side)


def _rows_last(picture: Tensor) -> np.ndarray:
    return np.ascontiguousarray(picture.permute(1, 2, 0).numpy())
