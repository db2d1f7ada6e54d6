"""The gate: every step asks it first, and gets a Grant that the next function requires as an argument.

What holds now is folded from the ledger's lines. Absent means no; what was prohibited or taken back is permitted again only
by a later grant that names it, and for no more than that grant is for; whatever cannot be read, has run out, or lies before
the newest line in time, is a no. There is no way around it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

from dressform.consent.ledger import Entry, Head, Ledger, refuse_older
from dressform.consent.scopes import SCOPES, Scope
from dressform.errors import BadInput, Refused

EVERYTHING = "*"
NEUTRAL = "neutral"
MOST_GRACE_DAYS = 3650
_BEGINNING = datetime.min.replace(tzinfo=UTC)

S_co = TypeVar("S_co", bound=Scope, covariant=True)
S = TypeVar("S", bound=Scope)


def outfit_asset(name: str) -> str:
    """How a ledger names the pictures and adapter of one outfit."""
    return f"outfit:{name}"


def refuse_past(expires: datetime | None) -> None:
    """Raises BadInput for an end that has come already."""
    if expires is not None and expires <= datetime.now(UTC):
        raise BadInput(f"--expires {expires:%Y-%m-%d}: has come already, so nothing would be agreed to; give a day to come")


class _Sealed:
    """What only the gate can hand over: a Grant cannot be made anywhere else."""


_SEAL = _Sealed()


@dataclass(frozen=True)
class Grant(Generic[S_co]):
    """Proof that a scope was permitted for these assets, by ``entry`` and lines before it. Made by ``Gate.need`` alone."""

    scope: S_co
    entry: str
    assets: tuple[str, ...]
    seal: _Sealed = field(repr=False)

    def __post_init__(self) -> None:
        if self.seal is not _SEAL:
            raise Refused("a grant comes from the gate alone")


@dataclass(frozen=True)
class Permission:
    """What still stands of one grant: ``taken`` are assets that were taken back from it."""

    entry: str
    permit: frozenset[str]
    assets: tuple[str, ...]
    expires: datetime | None
    base_models: frozenset[str]
    taken: frozenset[str] = frozenset()

    def covers(self, asset: str) -> bool:
        return asset not in self.taken and any(_matches(asset, pattern) for pattern in self.assets)


@dataclass(frozen=True)
class State:
    """What the lines say together."""

    permissions: tuple[Permission, ...] = ()
    prohibited: frozenset[str] = frozenset()
    revoked: Mapping[str, tuple[datetime, timedelta]] = field(default_factory=dict)
    """asset -> when it was revoked, and the days of grace before its keys go."""
    newest: datetime = _BEGINNING


def fold(entries: Sequence[Entry]) -> State:
    """The state after these lines: a pure function, so that a test can hold it against a reference."""
    state = State()
    for entry in entries:
        step = _STEPS.get(entry.kind)
        state = step(state, entry) if step else state
        state = State(state.permissions, state.prohibited, state.revoked, entry.at)
    return state


def _grant(state: State, entry: Entry) -> State:
    body: Mapping[str, Any] = entry.body
    expires = body["limits"].get("expires")
    prohibit = frozenset(body["prohibit"])
    permission = Permission(
        entry.sha256, frozenset(body["permit"]) - prohibit, tuple(body["assets"]),
        datetime.fromisoformat(expires) if expires else None, frozenset(body["limits"].get("base_models", ())),
    )  # fmt: skip
    given_back = {a: v for a, v in state.revoked.items() if a not in body["assets"]}
    return State((*_without(state.permissions, prohibit), permission), state.prohibited - permission.permit | prohibit, given_back)


def _narrow(state: State, entry: Entry) -> State:
    prohibit = frozenset(entry.body["prohibit"])
    return State(_without(state.permissions, prohibit), state.prohibited | prohibit, state.revoked)


def _without(permissions: Sequence[Permission], prohibit: frozenset[str]) -> tuple[Permission, ...]:
    return tuple(replace(p, permit=p.permit - prohibit) for p in permissions)


def _revoke(state: State, entry: Entry) -> State:
    assets, grace = entry.body["assets"], timedelta(days=min(entry.body["grace_days"], MOST_GRACE_DAYS))
    taken = {a: min(state.revoked.get(a, (entry.at, grace)), (entry.at, grace), key=grace_ends) for a in assets}
    kept = () if EVERYTHING in assets else tuple(replace(p, taken=p.taken.union(assets)) for p in state.permissions)
    return State(kept, state.prohibited, {**state.revoked, **taken})


def grace_ends(revoked: tuple[datetime, timedelta]) -> datetime:
    """When the days of grace are over; to revoke again puts nothing off."""
    return revoked[0] + revoked[1]


_STEPS: dict[str, Callable[[State, Entry], State]] = {"grant": _grant, "narrow": _narrow, "revoke": _revoke}


class Gate:
    """Answers for one character. ``seen`` gives the newest head known from inside the vault, ``base_model`` its sha256."""

    def __init__(
        self,
        ledger: Ledger,
        seen: Callable[[], Head],
        base_model: Callable[[], str] = lambda: "",
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.ledger, self._seen, self._base_model, self._now = ledger, seen, base_model, now

    def need(self, scope: S, *assets: str) -> Grant[S]:
        """The proof that ``scope`` is agreed to for all these assets now. Raises Refused with the reason and the way forward."""
        return self._granted(self.state(), scope, assets)

    def _granted(self, state: State, scope: S, assets: tuple[str, ...]) -> Grant[S]:
        if self._now() + timedelta(seconds=2) < state.newest:
            raise Refused(f"{scope}: the clock is before the newest line of the consent ledger; set the clock right")
        if scope in state.prohibited:
            raise Refused(
                f"{scope}: the consent ledger prohibits it; only a new dressform consent grant with --permit {scope} can change that"
            )
        for asset in assets:
            if asset in state.revoked or EVERYTHING in state.revoked:
                raise Refused(f"{scope}: consent for {asset} was revoked; only a new dressform consent grant can change that")
        written = [p for p in state.permissions if scope in p.permit]
        used: list[Permission] = []
        for what, own in [(f" for {a}", [p for p in written if p.covers(a)]) for a in assets] or [("", written)]:
            standing = [p for p in own if self._stands(p)]
            if not standing:
                raise Refused(f"{scope}: {self._why_none_stands(own, what)}; see dressform consent show, then consent grant")
            used.append(standing[-1])
        return Grant(scope, max(used, key=written.index).entry, assets, _SEAL)

    def holds(self, grant: Grant[Scope]) -> None:
        """Raises Refused where what was granted has been taken back since; cheap enough for every training step."""
        self.need(grant.scope, *grant.assets)

    def state(self) -> State:
        """What holds now. Raises Tampered where the ledger is shorter than what the vault saw."""
        seen = self._seen()  # first: a line that another process adds in between is newer, not missing
        entries = self.ledger.entries()
        refuse_older(entries, seen)
        return fold(entries)

    def permitted(self, assets: Iterable[str]) -> dict[Scope, tuple[str, ...]]:
        """Each scope, and those of the assets that it holds for now."""
        state, asked = self.state(), tuple(assets)
        return {scope: tuple(a for a in asked if self._permits(state, scope, a)) for scope in SCOPES}

    def _permits(self, state: State, scope: Scope, asset: str) -> bool:
        try:
            self._granted(state, scope, (asset,))
        except Refused:
            return False
        return True

    def _stands(self, permission: Permission) -> bool:
        return self._in_time(permission) and (not permission.base_models or self._base_model() in permission.base_models)

    def _in_time(self, permission: Permission) -> bool:
        return permission.expires is None or self._now() < permission.expires

    def _why_none_stands(self, written: Sequence[Permission], what: str) -> str:
        if any(self._in_time(p) for p in written):
            return f"what permits it{what} in the consent ledger is for another base model"
        if ended := max((p.expires for p in written if p.expires), default=None):
            return f"what permitted it{what} in the consent ledger ended on {ended.astimezone():%Y-%m-%d}"
        return f"nothing in the consent ledger permits it{what}"


def _matches(asset: str, pattern: str) -> bool:
    return pattern in (EVERYTHING, asset) or (pattern.endswith(":*") and asset.startswith(pattern[:-1]))
