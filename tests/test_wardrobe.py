"""A wardrobe in groups, resumed group by group, on the tiny base model."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from click.testing import Result
from safetensors.torch import load
from typer.testing import CliRunner

from dressform.adapters.stack import Adapter
from dressform.cli import plan as plan_command
from dressform.cli import train as options
from dressform.cli.app import app
from dressform.consent import lineage
from dressform.dress.garments import covering
from dressform.errors import BadInput, Failed, Mismatch, NotReady, Refused, StoreError, UnknownName
from dressform.layfigure import samples
from dressform.layfigure.world import HELD_OUT_DESIGNS, HELD_OUT_IDENTITIES
from dressform.records import Picture
from dressform.store import MemoryStore
from dressform.train.cache import Cache, Source
from dressform.train.checkpoint import Mark, mark
from dressform.train.events import StepDone
from dressform.train.plan import Group, Plan
from dressform.workspace import captioning, consenting, forgetting, keeping, planning, training
from dressform.workspace.character_file import held
from dressform.workspace.checkpoints import Checkpoints
from dressform.workspace.datasets import identity_pictures, material
from dressform.workspace.workspace import Workspace
from tests import wardrobes
from tests.wardrobes import GIB, adapters

OUTFITS = ("dress", "coat", "kimono", "apron")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wardrobes.draw(tmp_path_factory.mktemp("wardrobe"), OUTFITS)


NO_MARK = Mark("", "", "", "")


@pytest.fixture
def made(tmp_path: Path, tiny_backbone, tiny_base: Path, drawn: Path, monkeypatch: pytest.MonkeyPatch):
    """Makes a character with four outfits; each call a new one."""
    wardrobes.undisturbed(monkeypatch, tiny_backbone)
    return lambda called, description="": wardrobes.make(
        tmp_path / called, (tiny_base, tiny_backbone), drawn, OUTFITS, MemoryStore(), description
    )


def recipes(steps: int = 3):
    return [replace(r, rows=2) for r in training.recipes(2, 0, steps)]


def her_own(her: Workspace) -> list[Adapter]:
    return [her.adapter(her.gate.need("dress"), name) for name in her.trained()]


def stored(her: Workspace) -> dict[str, bytes]:
    """All that is kept of trained and begun adapters."""
    return {n: her.store.read(n) for n in her.store.list() if n.startswith(("adapters/", "checkpoints/"))}


def close(some: dict[str, bytes], others: dict[str, bytes]) -> None:
    assert some.keys() == others.keys() and len(some) == 1 + len(OUTFITS)
    for name in some:
        for key, value in load(some[name]).items():
            torch.testing.assert_close(value.float(), load(others[name])[key].float(), rtol=1e-3, atol=1e-4)


@pytest.mark.recipe
def test_groups_of_two_give_the_wardrobe_of_four_and_go_on_after_any_stop(made) -> None:
    whole, grouped, stopped = made("whole"), made("grouped"), made("stopped")
    plans: list[planning.Outlook] = []
    watch = training.Watch(on_plan=plans.append)
    training.run(whole, *recipes(), watch=watch)
    training.run(grouped, *recipes(), memory_bytes=4 * GIB, watch=watch)
    assert [[len(g.names) for g in p.outfits.groups] for p in plans if p.outfits] == [[4], [2, 2]]
    close(adapters(whole), adapters(grouped))
    stops = [("identity", 2), ("outfits", 1), ("outfits", 5)]  # the last: the second step of the second group
    seen: list[str] = []

    def stop(what: str, event: StepDone) -> None:
        seen.append(what)
        if stops and (what, event.step) == stops[0] and (what == "identity" or "aoi-kimono" in event.losses or len(stops) > 1):
            stops.pop(0)
            raise KeyboardInterrupt

    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            training.run(stopped, *recipes(), memory_bytes=4 * GIB, on_step=stop)
    done = training.run(stopped, *recipes(), memory_bytes=1000 * GIB, on_step=stop, watch=watch)
    assert [len(g.names) for g in plans[-1].outfits.groups] == [2] and done.adapters == plans[-1].outfits.groups[0].names
    assert adapters(stopped) == adapters(grouped) and not list(stopped.store.list("checkpoints/"))
    assert len(seen) == 3 + 3 + 3, "no step was taken twice"


def test_she_is_learned_from_all_pictures_of_her_and_an_outfit_that_comes_later_does_not_change_her() -> None:
    one = lambda name, outfit: Picture(name, outfit, "", 32, 32, outfit is not None, "")  # noqa: E731
    neutral, dress, coat, hat = one("n", None), one("d", "dress"), one("c", "coat"), one("h", "hat")
    assert identity_pictures([neutral, dress, hat], "auto", ("hat",)) == [neutral, dress]
    assert identity_pictures([neutral, dress], "neutral") == [neutral] and identity_pictures([neutral, dress], "dressed") == [dress]
    assert identity_pictures([dress, coat], "auto", learned=("d",)) == [dress, coat], "without neutral pictures every outfit helps"
    assert identity_pictures([neutral, dress, coat], "auto", learned=("n", "d")) == [neutral, dress]
    assert identity_pictures([neutral, coat], "auto", learned=("n", "d")) == [neutral, coat], "one that she was learned from is gone"
    assert identity_pictures([neutral, one("m", None), dress, coat], "auto", learned=("n", "d"))[1:] == [one("m", None), dress, coat]
    for origin, given in (("neutral", [dress]), ("dressed", [neutral]), ("auto", [])):
        with pytest.raises(NotReady, match="dressform add"):
            identity_pictures(given, origin)


@pytest.mark.recipe
def test_her_identity_comes_from_outfits_that_agree_to_it_and_has_words_for_what_is_under_them(made) -> None:
    def learned_from(her: Workspace) -> set[str | None]:
        training.run(her, *recipes(1))
        ids = lineage.inputs_of(her.gate.ledger.entries(), her.adapter_sha256(None))
        return {p.outfit for p in her.pictures(every=True) if p.id in ids}

    silent = made("silent")
    assert learned_from(silent) == {None}, "nobody said what is under the outfits"
    described = made("described", description="blue skin, white twintails")
    assert learned_from(described) == {None, *OUTFITS}
    assert training.run(described, *recipes(1)).adapters == ()
    for her, goes in ((silent, False), (described, True)):
        consenting.revoke(her, ("coat",), 7)
        taken = [her.adapter_sha256(name) in her.quarantined() for name in ("coat", None, "dress")]
        assert taken == [True, goes, goes], "what an identity was learned from counts"
    narrow = made("narrow", description="blue skin, white twintails")
    consenting.revoke(narrow, (), 7)
    consenting.grant(narrow, ("train:outfit",), (), None, "en")
    consenting.grant(narrow, ("train:identity",), ("neutral", "dress"), None, "en")
    assert learned_from(narrow) == {None, "dress"}


@pytest.mark.recipe
def test_each_picture_of_her_is_also_called_by_a_garment_where_there_are_words_for_her(made, monkeypatch) -> None:
    seen: list[Source] = []
    examples = Cache.examples
    monkeypatch.setattr(Cache, "examples", lambda self, some, *a: seen.extend(some) or examples(self, some, *a))

    def of_her(her: Workspace) -> list[Source]:
        seen.clear()
        pictures = [replace(p, caption="red kimono, neutral layer, front view") for p in her.pictures(every=True)]
        material(her, pictures, pictures if her.character.description else [p for p in pictures if p.outfit is None])
        return seen[: 2 + (2 * len(OUTFITS) if her.character.description else 0)]

    described = of_her(made("described", description="blue skin, white twintails"))
    assert len(described) == 10
    for one in described:
        assert one.caption == "aoi, red kimono, neutral layer, front view"
        assert one.anchor == "blue skin, white twintails, neutral layer, red kimono, front view"
        assert one.named is not None
        own, asked = (said.split(", ") for said in one.named)
        assert own[0] == "aoi" and own[1:] == asked[2:] == [covering(own[1]), "front view"], "one garment, the named one"
    assert len({one.named for one in described}) > 5 and described == of_her(made("again", description="blue skin, white twintails"))
    assert all(one.named is None for one in of_her(made("silent")))


@pytest.mark.recipe
def test_a_warm_cache_changes_no_byte(made) -> None:
    her = made("her")
    training.run(her, *recipes(2))
    cold = adapters(her)
    calls: list[int] = []
    encode = her.backbone.encode_pictures
    her.backbone.encode_pictures = lambda given: calls.append(len(given)) or encode(given)
    try:
        training.run(her, *recipes(2), restart=True)
        assert adapters(her) == cold and not calls
        for name in list(her.store.list("cache/")):
            her.store.delete(name)
        training.run(her, *recipes(2), restart=True)
    finally:
        del her.backbone.encode_pictures
    assert adapters(her) == cold and calls == [1] * 10


@pytest.mark.recipe
def test_an_unfinished_run_that_changed_says_what_changed(made) -> None:
    her = made("her")

    def stop(what: str, event: StepDone) -> None:
        if what == "outfits" and event.step == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        training.run(her, *recipes(), on_step=stop)
    before = {n: her.store.read(n) for n in her.store.list("checkpoints/")}
    identity, outfits = recipes()
    for go_on in (training.run, training.plan):
        with pytest.raises(BadInput, match=r"this has changed: recipe of aoi-dress, aoi-coat, .*--restart"):
            go_on(her, identity, replace(outfits, preserve=0.5))
    who = her.adapter_sha256(None)
    for go_on in (training.run, training.plan):
        with pytest.raises(BadInput, match=r"this has changed: the identity that they stand on.*--restart"):
            go_on(her, *recipes(2))
    assert her.adapter_sha256(None) == who, "it is refused before she is learned anew"
    assert {n: her.store.read(n) for n in before} == before
    assert len(training.run(her, identity, replace(outfits, preserve=0.5), restart=True).adapters) == 5


@pytest.mark.recipe
@pytest.mark.parametrize("where", ["identity", "outfits"])
def test_a_restart_that_was_stopped_is_gone_on_with(made, where: str) -> None:
    her = made("her")
    training.run(her, *recipes())
    before, steps = adapters(her), []
    with pytest.raises(NotReady, match="2 pictures"):
        training.run(her, *(replace(r, until="converged") for r in recipes()), restart=True)
    assert training.run(her, *recipes()).adapters == (), "a restart that is refused forgets nothing"

    def stop(what: str, event: StepDone) -> None:
        steps.append((what, event.step))
        if (what, event.step) == (where, 2) and steps.count((where, 2)) == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        training.run(her, *recipes(), restart=True, on_step=stop)
    assert her.trained() == list(OUTFITS), "the ones of before serve meanwhile"
    assert training.run(her, *recipes(), on_step=stop).adapters == (() if where == "outfits" else ("identity",)) + OUTFITS
    assert steps.count(("identity", 3)) == steps.count(("outfits", 3)) == 1 and adapters(her) == before
    assert training.run(her, *recipes()).adapters == ()


@pytest.mark.recipe
def test_groups_that_were_planned_but_not_begun_are_planned_anew_where_they_no_longer_fit(made) -> None:
    her = made("her")

    def stop(what: str, event: StepDone) -> None:
        if what == "outfits":
            raise KeyboardInterrupt

    def groups(memory_bytes: int) -> list[int]:
        found = training.plan(her, *recipes(), memory_bytes=memory_bytes).outfits
        return [len(group.names) for group in found.groups] if found else []

    planning_only = training.train
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(training, "train", lambda *given: stop("outfits", None) if len(given[1]) > 1 else planning_only(*given))  # type: ignore[arg-type]
        training.run(her, *recipes(), memory_bytes=100 * GIB)
    assert groups(100 * GIB) == [4] and groups(4 * GIB) == [2, 2]
    with pytest.raises(KeyboardInterrupt):
        training.run(her, *recipes(), memory_bytes=100 * GIB, on_step=stop)
    assert groups(4 * GIB) == [4], "a step of it is saved: it ends as it began"


@pytest.mark.recipe
def test_a_new_outfit_joins_after_the_unfinished_ones(made, drawn: Path) -> None:
    her = made("her")

    def stop(what: str, event: StepDone) -> None:
        if what == "outfits" and event.step == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        training.run(her, *recipes(), on_step=stop)
    samples.draw(drawn / "late", HELD_OUT_IDENTITIES["aoi"], HELD_OUT_DESIGNS["armour-a"], 2, seed=9, size=32)
    her.add([drawn / "late"], "late")
    plans: list[planning.Outlook] = []
    made_now = training.run(her, *recipes(), watch=training.Watch(on_plan=plans.append)).adapters
    assert plans[0].kept == ("identity",) and plans[0].outfits
    assert plans[0].outfits.groups == (Group(OUTFITS, 0, 2), Group(("late",))) and made_now == (*OUTFITS, "late")


class Stopped:
    """Counts the steps of each outfit, and interrupts once, after so many steps of the outfits or the identity."""

    def __init__(self, after: int, what: str = "outfits") -> None:
        self.steps, self._after, self._what = dict.fromkeys(OUTFITS, 0), after, what

    def __call__(self, what: str, event: StepDone) -> None:
        for name in event.losses if what == "outfits" else ():
            self.steps[name.removeprefix("aoi-")] += 1
        if (what, event.step) == (self._what, self._after):
            self._after = -1
            raise KeyboardInterrupt


def begun(her: Workspace, after: int = 2, **asked) -> Stopped:
    """A training that was interrupted while outfits were learned."""
    stop = Stopped(after)
    with pytest.raises(KeyboardInterrupt):
        training.run(her, *recipes(), on_step=stop, **asked)
    return stop


def groups(her: Workspace, **asked) -> tuple[Group, ...]:
    found = training.plan(her, *recipes(), **asked).outfits
    return found.groups if found else ()


def recaptioned(her: Workspace, outfit: str | None, caption: str = "another pose") -> str:
    picture = her.pictures(outfit)[0]
    captioning.write(her, {picture: caption}, "edit")
    return picture.caption


@pytest.mark.recipe
def test_one_of_those_that_were_begun_can_go_or_begin_again_and_the_others_go_on(made) -> None:
    her = made("her")
    stop = begun(her)
    assert groups(her) == (Group(OUTFITS, 0, 2),)
    forgetting.remove(her, her.pictures("kimono"))
    assert groups(her) == (Group(("dress", "coat", "apron"), 0, 2),) and not list(her.store.list("checkpoints/adapters/outfit-kimono/"))
    recaptioned(her, "coat")
    for go_on in (training.run, training.plan):
        with pytest.raises(BadInput, match=r"has changed: pictures, masks or captions of aoi-coat\. .*--outfit"):
            go_on(her, *recipes())
    assert training.run(her, *recipes(), only=["coat"], restart=True, on_step=stop).adapters == ("coat",)
    assert groups(her) == (Group(("dress", "apron"), 0, 2),)
    assert training.run(her, *recipes(), on_step=stop).adapters == ("dress", "apron")
    assert stop.steps == {"dress": 3, "apron": 3, "coat": 5, "kimono": 2} and not list(her.store.list("checkpoints/"))
    assert groups(her) == ()


@pytest.mark.recipe
def test_a_restart_that_is_refused_forgets_nothing(made) -> None:
    her = made("her")
    training.run(her, *recipes(), only=["dress"])
    begun(her)
    before, (who, wardrobe) = stored(her), recipes()
    asked = [
        ({"memory_bytes": 1}, NotReady, "one picture at a time needs", (who, wardrobe)),
        ({"only": ["dress"], "memory_bytes": 1}, NotReady, "one picture at a time needs", (who, wardrobe)),
        ({"only": ["dress", "coat"], "source": "neutral"}, NotReady, "2 pictures", (who, replace(wardrobe, until="converged"))),
    ]
    for how, refusal, words, config in asked:
        with pytest.raises(refusal, match=words):
            training.run(her, *config, restart=True, **how)
        assert stored(her) == before, how


@pytest.mark.recipe
def test_outfits_alone_stand_on_her_identity_as_it_is(made) -> None:
    """Where she is described, she is learned from dressed pictures too: one that goes changes her, and what was begun stands on her."""
    her = made("her", description="blue skin, white twintails")
    stop, who = begun(her), her.adapter_sha256(None)
    forgetting.remove(her, her.pictures("kimono"))
    for go_on in (training.run, training.plan):
        with pytest.raises(BadInput, match=r"training of dress, coat, apron is there.*--outfit dress,coat,apron and"):
            go_on(her, *recipes())
    assert training.run(her, *recipes(), only=["coat"], on_step=stop).adapters == ("coat",)
    assert training.run(her, recipes(2)[0], recipes()[1], only=["dress", "apron"], on_step=stop).adapters == ("dress", "apron")
    assert her.adapter_sha256(None) == who and stop.steps == {"dress": 3, "apron": 3, "coat": 3, "kimono": 2}
    assert training.run(her, *recipes()).adapters == ("identity", "dress", "coat", "apron")


@pytest.mark.recipe
def test_outfits_alone_forget_nothing_of_her_and_are_refused_before_anything_is_forgotten(made, monkeypatch) -> None:
    her = made("her")
    training.run(her, *recipes(), only=["dress"])
    recaptioned(her, None, "neutral layer, another pose")
    with pytest.raises(KeyboardInterrupt):
        training.run(her, *recipes(), on_step=Stopped(2, what="identity"))
    assert training.plan(her, *recipes(), only=["dress"]).identity is None and training.run(her, *recipes(), only=["dress"]).adapters == ()
    relearned = training.plan(her, *recipes()).identity
    assert relearned and relearned.groups == (Group(("identity",), 0, 2),)
    begun(her, only=["coat"])
    with pytest.raises(BadInput, match=r"training of coat is there.*--outfit coat and"):
        training.run(her, *recipes())
    before = stored(her)
    monkeypatch.setattr(type(her.backbone), "sha256", property(lambda _: "0" * 64))
    with pytest.raises(Mismatch, match="base model"):
        training.plan(her, *recipes(), only=["coat"])
    with pytest.raises(Mismatch, match="base model"):
        training.run(her, *recipes(), only=["coat"], restart=True)
    assert stored(her) == before


@pytest.mark.recipe
def test_a_restart_is_parted_anew_and_outfits_reach_the_layers_of_her_identity(made) -> None:
    her = made("her")
    training.run(her, *(replace(r, targets="all") for r in recipes()), only=["dress"])
    narrow = [replace(r, targets="attention") for r in recipes()]
    assert training.run(her, *narrow, only=["dress"], restart=True).adapters == ("dress",)
    plans: list[planning.Outlook] = []
    begun(her, memory_bytes=int(1.5 * GIB), restart=True)
    training.run(her, *recipes(), restart=True, watch=training.Watch(on_plan=plans.append))
    assert plans[0].outfits and plans[0].outfits.groups == (Group(OUTFITS),)


@pytest.mark.recipe
def test_what_stands_on_a_quarantined_identity_is_not_ended(made) -> None:
    her = made("her", description="blue skin, white twintails")
    begun(her)
    consenting.revoke(her, ("kimono",), 7)
    for asked in ((), ("dress",)):
        with pytest.raises(BadInput, match=r"training of dress, .* is there(?!.*--outfit).*--restart"):
            training.run(her, *recipes(), only=asked)
    assert training.run(her, *recipes(), restart=True).adapters == ("identity", "dress", "coat", "apron")


@pytest.mark.recipe
def test_what_is_done_is_not_trained_again_for_one_beside_it(made) -> None:
    her = made("her")
    stop = Stopped(5)  # the second step of the second group
    with pytest.raises(KeyboardInterrupt):
        training.run(her, *recipes(), memory_bytes=4 * GIB, on_step=stop)
    was = recaptioned(her, "coat")
    found = training.plan(her, *recipes())
    assert found.kept == ("identity", "dress") and found.outfits
    assert found.outfits.groups == (Group(("kimono", "apron"), 0, 2), Group(("coat",))) and found.outfits.seconds == 2 * (3 - 2) * 2 + 3 * 2
    stop = begun(her, after=3 + 2, only=["kimono", "apron", "coat"])  # the coat's second step
    recaptioned(her, "coat", was)
    assert groups(her) == (), "as it was when it was trained"
    assert training.run(her, *recipes()).adapters == () and not list(her.store.list("checkpoints/"))


@pytest.mark.recipe
def test_groups_of_micro_steps_and_of_another_run_are_known(made) -> None:
    her = made("her")
    begun(her, after=3 + 2, memory_bytes=int(1.5 * GIB))  # the second outfit, one row at a time
    assert groups(her)[0] == Group(("coat",), 1, 2) and groups(her)[1:] == tuple(Group((name,), 1) for name in ("kimono", "apron"))
    assert groups(her, only=["apron", "coat"]) == (Group(("coat",), 1, 2), Group(("apron",))), "asked for others: parted anew"
    assert training.run(her, *recipes(), only=["apron"]).adapters == ("apron",)
    assert groups(her) == (Group(("coat",), 1, 2), Group(("kimono",)))
    her.store.delete("checkpoints/groups.json")
    assert groups(her) == (Group(("coat", "kimono")),), "how it was parted is not known"


@pytest.mark.recipe
def test_plan_says_how_far_a_begun_training_is(made, monkeypatch: pytest.MonkeyPatch) -> None:
    def plan(*options: str) -> Result:
        return CliRunner().invoke(app, ["plan", str(her.root), *options])

    her = made("her")
    begun(her)
    monkeypatch.setattr(plan_command, "opened", lambda _folder: nullcontext(her))
    monkeypatch.setattr(options, "asked", lambda *_: recipes())
    assert "outfits: dress, coat, kimono, apron, gone on with after 2 of 3 steps" in plan().stdout
    said = plan("--outfit", "coat, apron")
    assert "outfits: coat, apron, gone on with after 2 of 3 steps, 2 pictures of each in a step" in said.stdout
    assert "memory: 2 outfits together" in said.stdout and f"dressform train {her.root} --outfit 'coat, apron'" in said.stderr
    for nothing in ("", ",", "coat,"):
        refused = plan("--outfit", nothing)
        assert isinstance(refused.exception, BadInput) and "--outfit" in str(refused.exception)


@pytest.mark.recipe
def test_one_outfit_alone_is_trained_and_begun_again_and_is_the_one_that_all_together_give(made) -> None:
    her, whole = made("her"), made("whole")
    training.run(whole, *recipes())
    assert training.run(her, *recipes(), only=["kimono"]).adapters == ("identity", "kimono")
    first = adapters(her)
    assert training.run(her, *recipes(), only=["kimono"]).adapters == () and her.trained() == ["kimono"]
    assert training.run(her, *recipes(), only=["kimono", "kimono"], restart=True).adapters == ("kimono",) and adapters(her) == first
    assert training.run(her, *recipes()).adapters == ("dress", "coat", "apron")
    close(adapters(her), adapters(whole))
    with pytest.raises(UnknownName, match=r"'kimno'.*kimono"):
        training.plan(her, *recipes(), only=["kimno"])
    forgetting.remove(her, her.pictures("dress"))
    with pytest.raises(NotReady, match=r"outfit 'dress' has no pictures"):
        training.run(her, *recipes(), only=["dress"])
    consenting.revoke(her, ("coat",), 7)
    with pytest.raises(Refused, match="coat"):
        training.run(her, *recipes(), only=["coat"])


@pytest.mark.recipe
def test_plan_says_what_train_then_does_and_trains_nothing(made) -> None:
    her = made("her")
    found = training.plan(her, *recipes(), memory_bytes=6 * GIB)
    assert found.identity == Plan((Group(("identity",)),), 6.0, 2 * GIB) and found.outfits and found.kept == ()
    assert [g.names for g in found.outfits.groups] == [("dress", "coat"), ("kimono", "apron")] and not list(her.store.list("adapters/"))
    followed: list[planning.Outlook] = []
    training.run(her, *recipes(), memory_bytes=6 * GIB, watch=training.Watch(on_plan=followed.append))
    assert followed == [found]
    assert training.plan(her, *recipes()).kept == ("identity", *OUTFITS)


def test_the_last_two_checkpoints_are_kept_and_an_unreadable_one_costs_steps_only() -> None:
    class Flaky(MemoryStore):
        broken: Sequence[str] = ()

        def read(self, name: str) -> bytes:
            if name in self.broken:
                raise StoreError(f"could not read {name}")
            return super().read(name)

    store = Flaky()
    kept = Checkpoints(store, ["dress", "coat"])
    assert kept.load() is None
    for i in range(12):
        kept.save(i, [b"%d" % i, b"%d of the coat" % i])
    assert kept.steps() == [10, 11] and kept.load() == [b"11", b"11 of the coat"] and len(list(store.list())) == 4
    assert Checkpoints(store, ["coat"]).load() == [b"11 of the coat"], "each has its own, and may go on alone"
    assert Checkpoints(store, [None]).load() is None and Checkpoints(store, ["coat", "other"]).steps() == []
    store.broken = ["checkpoints/adapters/outfit-coat/000011.safetensors"]
    assert kept.load() == [b"10", b"10 of the coat"], "of one step, all of them"
    store.broken = list(store.list())
    with pytest.raises(StoreError, match="000011"):
        kept.load()
    store.delete_all(kept.names())
    assert not list(store.list())


def test_no_steps_at_all_is_refused_and_not_taken_for_the_recipes_own() -> None:
    assert [c.steps for c in training.recipes(8, 0, None)] == [400, 250] and [c.steps for c in training.recipes(8, 0, 3)] == [3, 3]
    with pytest.raises(BadInput, match=r"steps 0.*at least 1"):
        training.recipes(8, 0, 0)


@pytest.mark.recipe
def test_what_cannot_end_well_is_said_before_the_first_step_and_never_kept(made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    her = made("few")
    with pytest.raises(NotReady, match="identity: 2 pictures"):
        training.run(her, *(replace(r, until="converged") for r in recipes()))
    assert not adapters(her)
    training.run(her, *recipes(1))
    kept = adapters(her)
    real = training.anchored_identity
    monkeypatch.setattr(training, "anchored_identity", lambda weight: lambda *given: real(weight)(*given) * float("nan"))
    with pytest.raises(Failed, match="no number"):
        training.run(her, *recipes(1), restart=True)
    broken = training._new_adapter(her, "outfit", "aoi-coat", "aoi_coat", recipes()[1].on(her.backbone), "")
    broken.values.data[0] = float("inf")
    for whole in (broken, next(iter(her_own(her)))):
        with pytest.raises(Failed, match="not kept"):
            made = [keeping.Made(n, her.gate.need("train:outfit"), one, NO_MARK, ()) for n, one in (("dress", whole), ("coat", broken))]
            keeping.keep(her, *made)
    assert adapters(her) == kept, "all or none"


@pytest.mark.recipe
def test_two_trainings_at_once_are_refused_and_steps_are_counted_over_all_groups(made) -> None:
    her, seen = made("aoi"), list[tuple[str, int, int]]()
    with held(her.root, "training", 0), pytest.raises(StoreError, match="another process"):
        training.run(her, *recipes())
    told = training.run(her, *recipes(), on_step=lambda what, event: seen.append((what, event.step, event.steps)), memory_bytes=4 * GIB)
    outfits = [(step, of) for what, step, of in seen if what == "outfits"]
    assert len(told.adapters) == 5 and outfits == [(i, 6) for i in range(1, 7)], "two groups of three steps"


@pytest.mark.recipe
def test_outfits_on_an_earlier_identity_are_named(made, monkeypatch: pytest.MonkeyPatch) -> None:
    her = made("aoi")
    training.run(her, *recipes())
    assert not keeping.on_an_earlier_identity(her, OUTFITS)
    monkeypatch.setattr(training, "_train_outfits", lambda _her: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        training.run(her, *recipes(4))
    (line,) = keeping.on_an_earlier_identity(her, OUTFITS[:2])
    assert ", ".join(OUTFITS[:2]) in line and "dressform train" in line


def test_a_floor_counts_until_converged_alone() -> None:
    one, other = (replace(recipes()[0], floor_steps=n) for n in (100, 50))
    assert mark(one, "", "", []) == mark(other, "", "", [])
    assert mark(replace(one, until="converged"), "", "", []) != mark(replace(other, until="converged"), "", "", [])
    with pytest.raises(BadInput, match="--until converged"):
        options.asked(8, 0, None, "steps", 50, False, "auto")
    for wrong in (float("inf"), float("nan")):
        with pytest.raises(BadInput, match="--memory"):
            options.budget(wrong)
