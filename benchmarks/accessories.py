"""How far the measure of accessories can be trusted: true pictures with and without one, through the embedded autoencoder.

    python -m benchmarks.accessories

Four held-out characters; each accessory is known from twelve pictures over the neutral layer, and looked for in sixteen others
over held-out garments. Two minutes on one core.
"""

from __future__ import annotations

import random

import numpy as np
import torch

from dressform import backbones
from dressform.backbones.protocol import Backbone
from dressform.layfigure.accessories import Accessory, render_with
from dressform.layfigure.doll import Doll, Identity
from dressform.layfigure.render import render
from dressform.layfigure.world import HELD_OUT_DESIGNS, HELD_OUT_IDENTITIES, SCENES, distinct_scenes
from dressform.measure.accessories import appearance, shows
from dressform.measure.statistics import share

LOOKED_FOR = (Accessory("hat", "red"), Accessory("glasses", "black"), Accessory("bag", "yellow"))
KNOWN_FROM, LOOKED_AT, PEOPLE = 12, 16, 4


def told(base: Backbone, who: Identity, accessory: Accessory, rng: random.Random) -> list[tuple[bool | None, bool | None]]:
    """For each picture: is it seen with the accessory, and without? None where that is not judged."""
    scenes = [s for s in distinct_scenes(rng, SCENES) if (accessory.kind, s.view) != ("glasses", "back")]
    own = [render_with(Doll(who, None, s), accessory) for s in scenes[:KNOWN_FROM]]
    known = appearance([o.picture for o in own], [o.mask for o in own], [s.view for s in scenes[:KNOWN_FROM]])
    dolls = [Doll(who, rng.choice(list(HELD_OUT_DESIGNS.values())), s) for s in scenes[KNOWN_FROM:][:LOOKED_AT]]
    bare = [render(d).picture for d in dolls]
    worn = [render_with(d, accessory).picture for d in dolls]
    seen = zip(dolls, bare, _through(base, worn), _through(base, bare), strict=True)
    return [(shows(known, on, true, d.scene.view), shows(known, off, true, d.scene.view)) for d, true, on, off in seen]


def _through(base: Backbone, pictures: list[np.ndarray]) -> np.ndarray:
    with torch.inference_mode():
        return base.decode(base.encode_pictures(torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2))).permute(0, 2, 3, 1).numpy()


def main() -> None:
    base, rng = backbones.load("layfigure"), random.Random(5)
    for accessory in LOOKED_FOR:
        pairs = [p for who in list(HELD_OUT_IDENTITIES.values())[:PEOPLE] for p in told(base, who, accessory, rng)]
        on, off = (share(seen for seen in column if seen is not None) for column in zip(*pairs, strict=True))
        print(
            f"{accessory.colour} {accessory.kind}: seen with it {on.value:.1%} ({on.low:.1%} to {on.high:.1%}), "
            f"without it {off.value:.1%} ({off.low:.1%} to {off.high:.1%}), n = {on.n}, not judged {len(pairs) - on.n}"
        )


if __name__ == "__main__":
    main()
