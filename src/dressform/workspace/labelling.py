"""What an adapter says of itself when it leaves: ModelSpec's words, from what the workspace knows."""

from __future__ import annotations

import re

import torch

from dressform.adapters.metadata import Card
from dressform.backbones.protocol import Backbone
from dressform.errors import BadInput
from dressform.workspace.workspace import Workspace

_LICENSE = re.compile(r"[ -~]{0,100}")
_MIDDLE, _LAST = 500, 999


def card(workspace: Workspace, license: str, made_from: tuple[str, ...] = (), words: str = "", identity: str = "") -> Card:
    """The card of an adapter that ``words`` call. Raises BadInput for a licence that is no short line."""
    if not _LICENSE.fullmatch(license):
        raise BadInput("--license: name it in a line of at most 100 ASCII characters, such as CC-BY-NC-4.0")
    return Card(workspace.backbone.size_px, prediction(workspace.backbone), license, made_from, words, identity)


def prediction(backbone: Backbone) -> str:
    """ "epsilon" or "v", ModelSpec's words for what the denoiser predicts; empty for anything else, such as a flow.

    Asked of its target, by what that makes of noise alone and of latents alone.
    """
    of_noise, of_latents = _target(backbone, _MIDDLE)
    if (of_noise, of_latents) == (1.0, 0.0):
        return "epsilon"
    return "v" if 0 < of_noise < 1 and abs(of_noise**2 + of_latents**2 - 1) < 1e-3 else ""


def zero_snr(backbone: Backbone) -> bool:
    """True where a denoiser that predicts v is asked at noise alone too: zero terminal SNR (Lin et al. 2023)."""
    return prediction(backbone) == "v" and _target(backbone, _LAST)[0] == 0


def _target(backbone: Backbone, time: int) -> tuple[float, float]:
    """What is to be predicted of noise 1 on latents 0, and of noise 0 on latents 1."""
    one, none = torch.ones(1, 1, 1, 1, device=backbone.device), torch.zeros(1, 1, 1, 1, device=backbone.device)
    t = torch.tensor([time], device=backbone.device)
    return backbone.target(none, one, t).item(), backbone.target(one, none, t).item()
