"""A block's expansion cut to fewer channels: the most important ones stay.

A channel matters as much as what the projection makes of it: its mean square times the squared
weights that read it. What a channel that goes adds on average moves into the BatchNorm behind the
projection. Widths are multiples of 16, in which processors compute; odd ones are slower than wider
ones.
"""

from collections.abc import Iterator
from typing import cast

import torch
from torch import Tensor, nn

from edgecat.errors import ConfigError
from edgecat.train.edit import Edit, Look, read_number
from edgecat.train.mobilenet_blocks import Block, Layer, choose_blocks, find_blocks

_MULTIPLE = 16

# Of a width that are worth a try.
_PARTS = (0.75, 0.5)


def _find(network: nn.Module) -> list[int]:
    return [number for number, b in find_blocks(network).items() if b.expansion is not None]


def _propose(network: nn.Module) -> Iterator[str]:
    """Yield about three quarters and half of each width."""
    for number in _find(network):
        width = find_blocks(network)[number].depthwise.conv.out_channels
        for num in sorted({round(part * width / _MULTIPLE) for part in _PARTS}):
            yield f"{number}={num * _MULTIPLE}"


def _change(network: nn.Module, argument: str, look: Look | None) -> None:
    number, _, width = argument.partition("=")
    fitting = _find(network)
    [block] = choose_blocks(network, fitting, [read_number(number)], "block with an expansion")
    num_before, num = block.depthwise.conv.out_channels, read_number(width)
    if num not in range(_MULTIPLE, num_before, _MULTIPLE):
        raise ConfigError(
            f"{width}: accepted are multiples of {_MULTIPLE} below {num_before}, what it has"
        )
    kept = torch.arange(num)
    if look is not None:
        kept = _choose_channels(network, block.projection, num, look)
    _cut(block, kept)


def _choose_channels(network: nn.Module, projection: Layer, num: int, look: Look) -> Tensor:
    """Return the most important channels, int64 `[num]`, and let BatchNorm stand in for others."""
    batches = [
        (maps.square().mean(dim=(0, 2, 3)), maps.mean(dim=(0, 2, 3)))
        for [(maps, _)] in look(network, [projection.conv])
    ]
    squares, means = (torch.stack(each).mean(dim=0) for each in zip(*batches, strict=True))  # [C]
    weight = projection.conv.weight.data.flatten(1)  # [O, C]
    order = (squares * weight.square().sum(dim=0)).argsort(descending=True)
    kept, gone = order[:num], order[num:]
    assert projection.batch_norm.running_mean is not None
    projection.batch_norm.running_mean -= weight[:, gone] @ means[gone]
    return kept.sort().values


def _cut(block: Block, kept: Tensor) -> None:
    """Leave a block these channels of its expansion: int64 `[C]`."""
    expansion, depthwise, projection = block.layers
    for layer in (expansion, depthwise):
        _cut_outputs(layer.conv, kept)
        _cut_batch_norm(layer.batch_norm, kept)
    depthwise.conv.in_channels = depthwise.conv.groups = len(kept)
    _cut_inputs(projection.conv, kept)
    if block.gate is not None:
        _cut_inputs(cast(nn.Conv2d, block.gate.fc1), kept)
        _cut_outputs(cast(nn.Conv2d, block.gate.fc2), kept)


def _cut_outputs(conv: nn.Conv2d, kept: Tensor) -> None:
    conv.weight.data = conv.weight.data[kept]
    if conv.bias is not None:
        conv.bias.data = conv.bias.data[kept]
    conv.out_channels = len(kept)


def _cut_inputs(conv: nn.Conv2d, kept: Tensor) -> None:
    conv.weight.data = conv.weight.data[:, kept]
    conv.in_channels = len(kept)


def _cut_batch_norm(layer: nn.BatchNorm2d, kept: Tensor) -> None:
    for name in ("weight", "bias", "running_mean", "running_var"):
        tensor = getattr(layer, name)
        tensor.data = tensor.data[kept]
    layer.num_features = len(kept)


ENTRY = Edit(
    form="narrow:N=WIDTH",
    about="a block's expansion cut to its most important channels",
    exact_when="where the channels that go are constant",
    change=_change,
    propose=_propose,
    changes_layers=True,
    lasting_ratio=0.22,
)
