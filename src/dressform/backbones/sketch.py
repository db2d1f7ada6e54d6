"""A base model without its weights: the same networks on the meta device, where tensors have a shape and no memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from dressform.backbones.folder import Source, of_diffusers


def built(kind: Any, config: Mapping[str, Any]) -> Any:
    """A network of diffusers' or transformers' class from its configuration."""
    from transformers import AutoConfig

    own = dict(config) if of_diffusers(kind) else AutoConfig.for_model(**config)
    return kind.from_config(own) if hasattr(kind, "from_config") else kind(own)


class Sketch:
    """A Source that reads another's configurations alone."""

    def __init__(self, source: Source) -> None:
        self._source = source

    @property
    def sha256(self) -> str:
        return self._source.sha256

    def config(self, part: str) -> dict[str, Any]:
        return self._source.config(part)

    def network(self, part: str, kind: Any, dtype: torch.dtype) -> Any:
        with torch.device("meta"):
            return nn.Module.to(built(kind, self.config(part)), dtype)

    def tokenizer(self, part: str, kind: Any) -> Any:
        return self._source.tokenizer(part, kind)
