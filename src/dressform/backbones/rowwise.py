"""In float32 on a CPU, a row is computed to the same bits whatever rows stand beside it.

So a wardrobe trained together is the wardrobe trained one by one, to the last bit. It has to be: an outfit's first gradients are
nearly zero, AdamW divides them by their own size, and a difference in the last bit of one sum is one in the second digit of an
adapter some steps later. The libraries choose a kernel, and with it the order of a sum, by the size of the whole product. Products
of many tokens, attention and wider convolutions take the same one for two rows and for more; two kinds of layers did not:

- a linear layer with one token a row (the time's), whose few rows are too few for the usual kernel: one product a row;
- a convolution of single cells, computed otherwise in a large batch: the product of its cells, as in a linear layer.
"""

from __future__ import annotations

from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn import functional


def settle(network: Any) -> None:
    """Let the layers of a network that takes rows of pictures compute so. It keeps its weights and their names."""
    for layer in network.modules():
        if type(layer) is nn.Linear:
            layer.__class__ = _Linear
        elif type(layer) is nn.Conv2d and _takes_single_cells(layer):
            layer.__class__ = _SingleCells


@final
class _Linear(nn.Linear):
    def forward(self, input: Tensor) -> Tensor:
        if input.numel() != len(input) * self.in_features or rounds(input):
            return super().forward(input)
        each = torch.bmm(input.reshape(len(input), 1, -1), self.weight.T.expand(len(input), -1, -1)).view(*input.shape[:-1], -1)
        return each if self.bias is None else each + self.bias


@final
class _SingleCells(nn.Conv2d):
    def forward(self, input: Tensor) -> Tensor:
        if rounds(input):
            return super().forward(input)
        return functional.linear(input.permute(0, 2, 3, 1), self.weight.flatten(1), self.bias).permute(0, 3, 1, 2)


def _takes_single_cells(layer: nn.Conv2d) -> bool:
    return layer.kernel_size == layer.stride == (1, 1) and layer.padding == (0, 0) and layer.groups == 1


def rounds(x: Tensor) -> bool:
    """True in a lower precision, whose rounding is larger than what all this is about, and where nothing is computed."""
    return x.device.type != "cpu" or x.dtype != torch.float32 or torch.is_autocast_enabled("cpu")
