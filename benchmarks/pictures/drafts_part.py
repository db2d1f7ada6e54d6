"""From one turnaround sheet to a set: are adapters that learn from drafted pictures as good as those that learn from true ones?

    python -m benchmarks.pictures --parts drafts [--characters 1 --outfits 2 --probes 30] [--json FILE]
    python -m benchmarks.pictures.drafts_part FILE.png     draws a drafted set of development on one page

A sheet of three views of a held-out character in the neutral layer is added and cut; her height alone is told in words, because a
figure that was cut out does not show it; ``draft`` fills the set to 24. The person of
this benchmark approves a candidate in which the reader finds nothing wrong, and has any other redrawn twice before it is taken
or, where less than three quarters are as asked, thrown away. Then the same outfits are trained on an identity from those 24, and
on one from 24 true renders. A training takes tens of minutes on two cores.
"""

from __future__ import annotations

import io
import random
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks.differences import apart
from benchmarks.pictures.making_sheets import turnaround
from benchmarks.pictures.settings import Settings
from benchmarks.separation.arms import ARMS, Recipe
from benchmarks.separation.cases import Case, Material, Shots, material
from benchmarks.separation.probing import Outcome, probe
from dressform import backbones
from dressform.consent.scopes import CAREFUL
from dressform.dress.sampler import SampleConfig
from dressform.layfigure.captions import NEUTRAL, scene_tags
from dressform.layfigure.doll import Doll, Scene
from dressform.layfigure.render import render
from dressform.layfigure.world import HELD_OUT_IDENTITIES, distinct_scenes
from dressform.measure import reader as reading
from dressform.measure.separation import IDENTITY_WORDS, Probe, Truth, mistakes
from dressform.measure.statistics import share
from dressform.pictures import intake
from dressform.pictures.contact import Cell, contact_sheet
from dressform.pictures.sheets import Cutting
from dressform.records import Character, Figure
from dressform.store import MemoryStore
from dressform.vault.owner import Owner
from dressform.workspace import adding, candidates, character_file, consenting, drafting, looking
from dressform.workspace.workspace import Workspace

FINAL_SEED = 7900
WANT, REDRAWS, LEAST = 24, 2, 0.75


PEOPLE = ("mei", "ines", "nadia", "lotte")


def measure(settings: Settings) -> dict[str, Figure]:
    """The drafted sets, and both identities' figures with how far they lie apart."""
    base, reader = backbones.load("layfigure"), reading.load()
    found: dict[str, list[Outcome]] = {"drafted": [], "true": []}
    right: list[bool] = []
    sizes: list[int] = []
    want, sampling = (6, SampleConfig(4)) if settings.small else (WANT, SampleConfig())
    for i, who in enumerate(PEOPLE[: settings.characters]):
        case = Case(who, settings.outfits, 12, FINAL_SEED + i)
        config = Recipe.of_the_house(base, case.seed, settings.steps)
        her = drafted(who, case.seed, want, sampling)
        sizes.append(len(her.pictures()))
        right += as_true(her, who, reader)
        given = material(case)
        both = [Material(case, neutral, given.outfits) for neutral in (shots_of(her), true_shots(case, want))]
        for name, learned in zip(("drafted", "true"), ARMS["ours, neutral"](base, both, config), strict=True):
            found[name] += probe(base, reader, case, learned, settings.probes)
    least = min(sizes)
    return {"drafts_pictures": Figure(least, len(sizes), least, max(sizes)), "drafts_identity_right": share(right)} | compared(found)


def compared(found: dict[str, list[Outcome]]) -> dict[str, Figure]:
    """Identity fidelity over all pictures of her, burn-in over all pictures, and the first arm's points below or above the second's."""
    out: dict[str, Figure] = {}
    for name, every in found.items():
        out[f"{name}_identity_fidelity"] = share(o.identity for o in every)
        out[f"{name}_burn_in"] = share(bool(o.appeared) for o in every)
    one, other = found
    out[f"identity_fidelity_{one}_minus_{other}"] = apart(out[f"{one}_identity_fidelity"], out[f"{other}_identity_fidelity"])
    out[f"burn_in_{one}_minus_{other}"] = apart(out[f"{one}_burn_in"], out[f"{other}_burn_in"])
    return out


def drafted(who: str, seed: int, want: int = WANT, drawing: SampleConfig = SampleConfig()) -> Workspace:  # noqa: B008 - frozen
    """A character with the three figures of one sheet and what was approved of the drafts."""
    place = Path(tempfile.mkdtemp())
    owner, store = Owner("AGE-SECRET-KEY-1TEST"), MemoryStore()
    store.write("consent/owner", owner.signing_key.public_key().public_bytes_raw())
    height = f"{HELD_OUT_IDENTITIES[who].height} height"  # a figure that was cut out of a sheet does not show it
    character_file.write(place / who, Character(who, who, "original", 27, "layfigure", description=height))
    her = Workspace(place / who, store, owner)
    consenting.grant(her, CAREFUL, (), None, "en")
    data = io.BytesIO()
    Image.fromarray(turnaround(HELD_OUT_IDENTITIES[who], None, seed).pixels).save(data, "PNG")
    (place / "sheet.png").write_bytes(data.getvalue())
    report = adding.add(her, [place / "sheet.png"], None, Cutting())
    assert report.taken == 3, report
    looking.read(her, every=True)
    for turn in range(4):  # what was thrown away leaves its scene lacking, so it is proposed again
        if len(her.pictures()) >= want:
            break
        waiting = list(drafting.propose(her, candidates.Asked(want=want, seed=seed + turn), drawing).candidates)
        for _ in range(REDRAWS):
            if wrong := [c for c in waiting if c.judged.wrong]:
                drafting.redraw(her, wrong, drawing)
                waiting = candidates.waiting(her)
        candidates.approve(her, [c for c in waiting if (c.judged.fidelity or 0) >= LEAST])
        candidates.reject(her, candidates.waiting(her))
    return her


def as_true(her: Workspace, who: str, reader: reading.Reader) -> list[bool]:
    """For each drafted picture: does it show her, as she truly is? By the reader, so its own errors count too."""
    truth, shots = Truth({**vars(HELD_OUT_IDENTITIES[who])}, {}), shots_of(her, drawn_alone=True)
    out = []
    for seen, said in zip(reader.read(shots.pictures), shots.scenes, strict=True):
        view, pose, background = said.split(", ")
        scene = {"view": view.removesuffix(" view"), "pose": pose, "background": background.removesuffix(" background")}
        out.append(not mistakes(Probe("neutral", scene, seen, truth.visible("neutral", scene)), truth, IDENTITY_WORDS))
    return out


def shots_of(her: Workspace, drawn_alone: bool = False) -> Shots:
    """Her neutral pictures as the arms take them."""
    kept = [p for p in her.pictures() if p.generation or not drawn_alone]
    squares = [intake.fitted(intake.from_png(her.store.read(f"pictures/{p.id}.png")), 128) for p in kept]
    pictures = torch.from_numpy(np.stack(squares)).permute(0, 3, 1, 2).contiguous()
    scenes = tuple(p.caption.removeprefix(f"{NEUTRAL}, ") for p in kept)
    return Shots(tuple(p.id for p in kept), pictures, torch.zeros(len(kept), 128, 128, dtype=torch.bool), scenes)


def true_shots(case: Case, count: int) -> Shots:
    """As many true renders, in scenes that differ."""
    scenes: list[Scene] = distinct_scenes(random.Random(f"{case.who}/true/{case.seed}"), count)
    drawn = [render(Doll(HELD_OUT_IDENTITIES[case.who], None, scene)).picture for scene in scenes]
    pictures = torch.from_numpy(np.stack(drawn)).permute(0, 3, 1, 2).contiguous()
    said = tuple(", ".join(scene_tags(scene)) for scene in scenes)
    return Shots(tuple(f"true-{i}" for i in range(count)), pictures, torch.zeros(count, 128, 128, dtype=torch.bool), said)


def sheet(her: Workspace, file: Path) -> None:
    """All her pictures on one page: dolls of a made-up character, so they may be looked at."""
    shown = [Cell(intake.from_png(her.store.read(f"pictures/{p.id}.png")), f"{p.generation} {p.caption[15:]}") for p in her.pictures()]
    Image.fromarray(contact_sheet(shown)).save(file)


if __name__ == "__main__":
    sheet(drafted(PEOPLE[0], FINAL_SEED - 1000), Path(sys.argv[1]))
