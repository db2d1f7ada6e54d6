"""Measuring her: what is kept of the probes, and by what agreement."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest

from dressform.layfigure.doll import Doll, attributes
from dressform.layfigure.world import HELD_OUT_DESIGNS, HELD_OUT_IDENTITIES, random_scene
from dressform.measure.reader import Reading

pytestmark = pytest.mark.recipe


class _SeesTheDress:
    """A reader that sees aoi in her dress in every picture."""

    card = {"true renders": {"kind": 1.0}}  # noqa: RUF012

    def read(self, pictures) -> list[Reading]:
        import random

        doll = Doll(HELD_OUT_IDENTITIES["aoi"], HELD_OUT_DESIGNS["dress-a"], random_scene(random.Random(0)))
        return [Reading(dict(attributes(doll)), (700, 40, 30, 10, 4, 0, 180, 40, 20)) for _ in pictures]


@pytest.mark.parametrize("may_dress", [True, False])
def test_examples_are_kept_signed_and_only_where_dressing_her_is_agreed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, may_dress: bool
) -> None:
    from benchmarks.trust import running
    from dressform.consent.scopes import scopes
    from dressform.dress.sampler import SampleConfig
    from dressform.measure import reader
    from dressform.workspace import consenting, finishing, measuring, training, workspace

    monkeypatch.setenv("DRESSFORM_HOME", str(tmp_path / "keys"))
    running.make(tmp_path)
    monkeypatch.setattr(reader, "load", lambda device: _SeesTheDress())
    with workspace.opened(tmp_path / "aoi") as her:
        training.run(her, *training.recipes(2, 0, 1))
        if not may_dress:
            consenting.narrow(her, scopes("dress"), "en")
        found = measuring.measure(her, 2, 1, SampleConfig(2))
        measuring.write_page(found, "aoi: measured", tmp_path / "page.html")
        uses = [e for e in her.gate.ledger.entries() if e.kind == "use"]
    kept = [base64.b64decode(data) for data in re.findall(r"data:image/png;base64,([^\"]+)", (tmp_path / "page.html").read_text())]
    if not may_dress:
        assert not kept and "only measuring is agreed" in (tmp_path / "page.html").read_text()
        assert uses[-1].body["action"] == "measure" and uses[-1].body["outputs"] == []
        return
    assert len(kept) == 2
    for i, data in enumerate(kept):
        (tmp_path / f"{i}.png").write_bytes(data)
        assert finishing.verify(tmp_path / f"{i}.png").state == "ours"
    assert uses[-1].body["action"] == "dress" and len(uses[-1].body["outputs"]) == len(set(kept))
