"""Does anything call out? A short journey with the network taken away, watched from outside by the kernel's own trace.

Two things hold each other: a network namespace in which only loopback exists (``unshare``, Linux), and ``strace``, which writes
down every call to the network. Before the journey a trial connection is made inside: the proof counts only where it was seen
and failed. Sockets of the machine itself (AF_UNIX, AF_NETLINK) are not counted; a question to a name server is, wherever it is.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dressform.errors import NotReady

_OUTGOING = re.compile(r"\b(?:connect|sendto|sendmsg|sendmmsg)\(.*")
_ADDRESS = re.compile(r"htons\((\d+)\).*?inet_(?:addr|pton)\((?:AF_INET6, )?\"([0-9A-Fa-f.:]+)\"")
_ELSEWHERE = "192.0.2.1"  # RFC 5737: belongs to nobody
_TRIAL = f"import socket\ns = socket.socket()\ns.settimeout(2)\nprint(s.connect_ex(({_ELSEWHERE!r}, 9)))"
_LOOPBACK_UP = 'ip link set lo up 2>/dev/null; exec "$@"'
_NAME_SERVICE = "53"


@dataclass(frozen=True)
class Proof:
    """What was seen: the commands that ran, and every address outside this machine that one of them called."""

    commands: tuple[str, ...]
    connections: tuple[str, ...]


def prove(on_command: Callable[[str], None] = lambda _name: None) -> Proof:
    """Make, train, dress and verify a sample character with the network taken away and every call to it written down.

    Raises NotReady, with the reason, where this system does not allow the proof or a command of the journey fails.
    """
    alone, watched = cage(), tracer()
    with tempfile.TemporaryDirectory() as where:
        place = Path(where)
        _refuse_blindness(alone, watched, place)
        environment = at_home(place)
        ran, found = [], set[str]()
        for words in journey(place):
            on_command(words[0])
            trace = place / "trace"
            command = [*alone, *watched, "-o", str(trace), sys.executable, "-m", "dressform.cli", *words]
            done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True)
            if done.returncode:
                raise NotReady(f"the journey without a network stopped at {words[0]}: {_last_line(done.stderr)}")
            ran.append(words[0])
            found |= outside(trace.read_text(errors="replace"))
        return Proof(tuple(ran), tuple(sorted(found)))


def cage() -> list[str]:
    """The command in front that leaves nothing of the network but loopback. Raises NotReady where this system allows none."""
    if not shutil.which("unshare"):
        raise NotReady("no proof here: unshare is not installed (it is in util-linux; Linux only)")
    loopback = ["sh", "-c", _LOOPBACK_UP, "sh"] if shutil.which("ip") else []
    for command in (["unshare", "--user", "--map-root-user", "--net"], ["unshare", "--net"]):
        if subprocess.run([*command, "true"], capture_output=True).returncode == 0:
            return [*command, *loopback]
    raise NotReady("no proof here: this system lets nobody make a network namespace (in a container, allow user namespaces)")


def tracer(calls: str = "network") -> list[str]:
    """The command in front that writes these calls down; ``-o FILE`` must follow. Raises NotReady where this system allows none."""
    command = ["strace", "-f", "-qq", "-s", "300", "-e", f"trace={calls}"]
    if not shutil.which("strace"):
        raise NotReady("no proof here: strace is not installed (apt install strace)")
    if subprocess.run([*command, "-o", os.devnull, "true"], capture_output=True).returncode:
        raise NotReady("no proof here: this system lets nobody trace a process (in a container, allow ptrace)")
    return command


def outside(trace: str) -> set[str]:
    """``ADDRESS:PORT`` of every outgoing call in a trace that is not to loopback, or asks a name server."""
    found = set()
    for line in trace.splitlines():
        call = _OUTGOING.search(line)
        for port, address in _ADDRESS.findall(call.group()) if call else ():
            here = address.startswith("127.") or address in ("::1", "0.0.0.0", "::")
            if not here or port == _NAME_SERVICE:
                found.add(f"{address}:{port}")
    return found


def at_home(place: Path) -> dict[str, str]:
    """This environment with every home inside ``place``, and without the switches that keep libraries offline: that is shown too."""
    homes = {"HOME": "home", "TMPDIR": "tmp", "DRESSFORM_HOME": "keys", "XDG_CACHE_HOME": "cache", "XDG_CONFIG_HOME": "config"}
    for name in homes.values():
        (place / name).mkdir(exist_ok=True)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "TRANSFORMERS_", "DRESSFORM_", "XDG_"))}
    return kept | {k: str(place / name) for k, name in homes.items()}


def journey(place: Path) -> Iterator[Sequence[str]]:
    """The commands, one after the other, on pictures of a sample character that are drawn into ``place``."""
    _draw_samples(place / "pictures")
    yield "new", "aoi", "--age", "24", "--yes"
    yield "add", "aoi", str(place / "pictures/neutral"), "--neutral"
    yield "add", "aoi", str(place / "pictures/dress"), "--outfit", "dress"
    yield "train", "aoi", "--steps", "2", "--despite-lint"  # two pictures are too few to learn from, and enough to see what is called
    yield "dress", "aoi", "--outfit", "dress", "--steps", "2"
    yield "verify", *map(str, sorted((place / "aoi/looks").glob("*.png")))


def _draw_samples(folder: Path) -> None:
    from dressform.layfigure import samples
    from dressform.layfigure.world import HELD_OUT_DESIGNS, HELD_OUT_IDENTITIES

    aoi = HELD_OUT_IDENTITIES["aoi"]
    samples.draw(folder / "neutral", aoi, None, count=2, seed=0)
    samples.draw(folder / "dress", aoi, HELD_OUT_DESIGNS["dress-a"], count=2, seed=1)


def _refuse_blindness(alone: Sequence[str], watched: Sequence[str], place: Path) -> None:
    """Raises NotReady where a connection that is really tried would not be seen, or would get through."""
    trace = place / "trial"
    done = subprocess.run([*alone, *watched, "-o", str(trace), sys.executable, "-c", _TRIAL], capture_output=True, text=True)
    seen = trace.is_file() and any(a.startswith(_ELSEWHERE) for a in outside(trace.read_text(errors="replace")))
    if done.returncode or done.stdout.strip() in ("", "0") or not seen:
        raise NotReady("no proof here: a trial connection was not seen, or was not stopped; this system's trace cannot be relied on")


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["it said nothing"])[-1]
