"""A depthwise convolution of 5x5 becomes one of 3x3.

The weights of the outer ring are added to those next to them, since neighbouring pixels are alike.
"""

from typing import cast

import torch
from torch import Tensor, nn

from edgecat.train.edit import Edit, Look, read_number
from edgecat.train.mobilenet_blocks import choose_blocks, find_blocks


def _find(network: nn.Module) -> list[int]:
    return [n for n, b in find_blocks(network).items() if b.depthwise.conv.kernel_size == (5, 5)]


def _change(network: nn.Module, argument: str, look: Look | None) -> None:
    fitting = _find(network)
    [block] = choose_blocks(
        network, fitting, [read_number(argument)], "block with a 5x5 convolution"
    )
    before = block.depthwise.conv
    after = nn.Conv2d(
        before.in_channels,
        before.out_channels,
        kernel_size=3,
        stride=cast(tuple[int, int], before.stride),
        padding=1,
        groups=before.groups,
        bias=False,
    )
    after.weight.data = _gather(before.weight.data)
    block.depthwise.parts[0] = after


def _gather(weight: Tensor) -> Tensor:
    """Return 3x3 weights `[C, 1, 3, 3]` of 5x5 ones, each ring tap added to its nearest inside."""
    fold = torch.tensor([[1.0, 1, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 1, 1]])  # [3, 5]
    return fold @ weight @ fold.T


ENTRY = Edit(
    form="kernel3:N",
    about="a 5x5 depthwise convolution becomes 3x3, its outer weights added to the inner ones",
    exact_when="where the outer weights are 0",
    change=_change,
    propose=_find,
    changes_layers=True,
    lasting_ratio=0.62,
)
