"""How a picture was made, as A1111 writes it into a PNG (text key ``parameters``) and reads it back.

    PROMPT <lora:NAME:SCALE> ...
    Negative prompt: ...                        (where there is one)
    Steps: 20, CFG scale: 7, Seed: 42, Size: 512x768, Model hash: ..., Model: ..., Lora hashes: "NAME: HASH, ..."

Facts: the web UI's ``modules/infotext_utils.py``. The last line needs three pairs at least; a value with a comma, a colon or a line
end is quoted as in JSON. ASCII only: Pillow writes another kind of text chunk (iTXt) from the first Japanese letter on, and
some sites read tEXt alone. The sampler is not named: programs know theirs by other names.
"""

from __future__ import annotations

import io
import json
import re
from dataclasses import dataclass

from PIL import Image

from dressform import __version__
from dressform.errors import BadInput

KEY = "parameters"
_OTHER_KEYS = ("prompt", "workflow")
"""ComfyUI's."""
_NAME = re.compile(r"[A-Za-z0-9_-]+")
_NETWORK = re.compile(r"<\w+:[^>]*>")
"""What A1111 takes out of a prompt, and loads (``modules/extra_networks.py``)."""


@dataclass(frozen=True)
class Worn:
    """One adapter in a picture: its file's name, its scale, and the SHA-256 of its tensors (``sshs_model_hash``)."""

    name: str
    scale: float
    tensors_sha256: str


@dataclass(frozen=True)
class Made:
    """How one picture was made. ``model_sha256`` is the base model's; A1111 shows its first ten digits."""

    prompt: str
    worn: tuple[Worn, ...]
    steps: int
    guidance: float
    seed: int
    width_px: int
    height_px: int
    model: str
    model_sha256: str
    negative: str = ""


def told(picture: bytes) -> bool:
    """True where a PNG says how it was drawn, as A1111 or ComfyUI write it; False for what cannot be read."""
    try:
        with Image.open(io.BytesIO(picture), formats=("PNG",)) as image:
            return any(key in image.info for key in (KEY, *_OTHER_KEYS))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return False


def text(made: Made) -> str:
    """The infotext. Raises BadInput where it cannot be said in ASCII, or the prompt would be read as something else."""
    if network := _NETWORK.search(f"{made.prompt}\n{made.negative}"):
        raise BadInput(f"{network[0][:60]!r} in the prompt: A1111 would load that, and it is not worn here; leave it out, or --infotext")
    loras = [f"<lora:{_checked(w.name)}:{w.scale:g}>" for w in made.worn]
    pairs = {
        "Steps": str(made.steps),
        "CFG scale": f"{made.guidance:g}",
        "Seed": str(made.seed),
        "Size": f"{made.width_px}x{made.height_px}",
        "Model hash": made.model_sha256[:10],
        "Model": made.model,
        "Lora hashes": ", ".join(f"{w.name}: {w.tensors_sha256[:12]}" for w in made.worn),
        "Version": f"dressform {__version__}",
    }
    last = ", ".join(f"{key}: {_quoted(value)}" for key, value in pairs.items() if value)
    lines = [" ".join([_one_line(made.prompt), *loras]), *([f"Negative prompt: {_one_line(made.negative)}"] if made.negative else []), last]
    found = "\n".join(lines)
    if not found.isascii():
        wrong = next(c for c in found if not c.isascii())
        raise BadInput(f"infotext is plain ASCII and the prompt or base model's name has {wrong!r}: write it so, or leave --infotext out")
    return found


def _quoted(value: str) -> str:
    return json.dumps(value) if re.search(r"[,:\n\"]", value) else value


def _one_line(words: str) -> str:
    """Line ends would end the prompt where the reader looks for its next part."""
    return " ".join(words.split())


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise BadInput(f"adapter name {name[:60]!r}: other programs read <lora:NAME:SCALE> with letters, digits, '_' and '-' only")
    return name
