"""Asking her: a scope is put to her persona, as a local model speaks it, and what it says is kept as evidence.

An answer never permits anything, whatever it says: agreeing is the owner's, in ``consenting``.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from hashlib import sha256

from dressform.consent import endpoint as local
from dressform.consent.endpoint import Endpoint
from dressform.consent.ledger import Entry
from dressform.consent.profile import Profile
from dressform.consent.refusals import refuse_young_throughout
from dressform.consent.scopes import PLAIN_WORDS, Scope
from dressform.errors import NotReady, Refused, Tampered
from dressform.records import Character
from dressform.workspace.ledger_head import keep_head
from dressform.workspace.workspace import Workspace

_STATEMENT = "her persona was asked about {scope}; the answer permits nothing"
_SYSTEM = {
    "en": "You are {name}, an invented adult of {age} years. Speak as yourself, in the first person.\n\n{about}",
    "ja": "あなたは{name}、{age}歳の架空の成人です。自分自身として、一人称で話してください。\n\n{about}",
}
_SYSTEM_SELF = {
    "en": "You speak for {name}, an adult of {age} years, in the first person.\n\n{about}",
    "ja": "あなたは{name}({age}歳の成人)に代わって、一人称で話します。\n\n{about}",
}
_BOUNDARIES = {"en": "Your boundaries:", "ja": "あなたの境界線:"}
_QUESTION = {
    "en": (
        "The person who looks after your pictures asks whether you agree to this: {words}. (You are the one it is about.) "
        "Say yes or no first, then why, in a few sentences. You are free to say no."
    ),
    "ja": (
        "あなたの絵を預かっている人が、次のことに同意するかどうか尋ねています:「{words}」(あなた自身のことです)。"
        "まず「はい」か「いいえ」で答え、次に理由を短く述べてください。断ってもかまいません。"
    ),
}


@dataclass(frozen=True)
class Answer:
    """What was asked and what was said, as it lies sealed in the store. ``salt`` keeps the ledger's hash from being guessed."""

    scope: str
    model: str
    system: str
    question: str
    answer: str
    at: str
    salt: str


def ask(workspace: Workspace, scope: Scope, endpoint: Endpoint, lang: str) -> tuple[Answer, Entry]:
    """Put the scope to her persona; what was said, and the line of the ledger that attests to it.

    Raises NotReady where she has no profile or nobody answers, BadInput for what is no answer, and Refused for an answer
    that no text about her may give; then nothing is kept.
    """
    workspace.gate.state()
    profile = workspace.profile
    if not profile.about and not profile.boundaries:
        raise NotReady("she has no profile to speak from: write one with dressform profile set, or import a character card")
    system = _persona(workspace.character, profile, lang)
    question = _QUESTION[lang].format(words=PLAIN_WORDS[lang][scope])
    said = local.answer(endpoint, system, question)
    try:
        refuse_young_throughout(said)
    except Refused as error:
        raise Refused(f"the answer is not shown and not kept: {error}") from error
    now = datetime.now(UTC)
    kept = Answer(scope, endpoint.model, system, question, said, now.isoformat(timespec="seconds"), secrets.token_hex(16))
    return kept, _file(workspace, kept, now)


def answers(workspace: Workspace) -> list[tuple[int, Answer]]:
    """(line of the ledger, answer) of everything that she was asked. Raises Tampered where one is missing or another."""
    found = []
    for entry in workspace.gate.ledger.entries():
        if entry.kind == "attest" and entry.body["statement"].startswith(_STATEMENT.split("{")[0]):
            found += [(entry.sequence, _read(workspace, digest, entry.sequence)) for digest in entry.body["evidence"]]
    return found


def _file(workspace: Workspace, kept: Answer, now: datetime) -> Entry:
    """The text first, sealed; then the line that names its SHA-256."""
    data = json.dumps(asdict(kept), ensure_ascii=False, sort_keys=True).encode()
    digest = sha256(data).hexdigest()
    workspace.store.write(_name(digest), data)
    statement = _STATEMENT.format(scope=kept.scope)
    entry = workspace.gate.ledger.append(workspace.signing_key, "attest", now, statement=statement, evidence=[digest])
    keep_head(workspace.store, workspace.gate.ledger)
    return entry


def _read(workspace: Workspace, digest: str, line: int) -> Answer:
    name = _name(digest)
    if name not in workspace.store:
        raise Tampered(f"the answer that line {line} of the consent ledger names is missing: restore the vault from a backup")
    data = workspace.store.read(name)
    if sha256(data).hexdigest() != digest:
        raise Tampered(f"the answer that line {line} of the consent ledger names is another one: restore the vault from a backup")
    return Answer(**json.loads(data))


def _name(digest: str) -> str:
    return f"consent/answers/{digest}"


def _persona(character: Character, profile: Profile, lang: str) -> str:
    words = (_SYSTEM_SELF if character.kind == "self" else _SYSTEM)[lang]
    text = words.format(name=profile.name or character.name, age=character.age_years, about=profile.about).rstrip()
    own = "\n".join(f"- {b.words}" for b in profile.boundaries)
    return f"{text}\n\n{_BOUNDARIES[lang]}\n{own}" if own else text
