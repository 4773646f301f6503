"""The blocks that an edit touched, fitted so that they make of photos what they made before.

Of each, the projection is fitted: a 1x1 convolution, linear in what the block's other layers make,
so that its best weights are a matter of least squares. Blocks are fitted in order, each on what the
fitted ones before it make.
"""

import torch
from torch import Tensor, nn

from edgecat.train.edit import Look
from edgecat.train.least_squares import LeastSquares
from edgecat.train.mobilenet_blocks import Block, find_blocks, find_parts

# Shown to each block: even its smallest map, 7x7, makes 12,544 examples for at most 576 inputs.
_MAX_PHOTOS = 256

# See `LeastSquares.solve`. Smaller ones came no nearer on validation photos; tried by hand.
_RIDGE_RATIO = 0.01

# Instead of a division by zero.
_TINY = torch.finfo(torch.float32).tiny


def refit_blocks(before: nn.Module, after: nn.Module, look: Look) -> None:
    """Fit the blocks of a network that differ from those of the network before the edit.

    Args:
        before: A network that edits fit; left as it is.
        after: The same, edited; changed in place.
        look: Shows training photos to them.
    """
    blocks = find_blocks(before)
    for number, block in find_blocks(after).items():
        if not _is_alike(blocks[number].parts, block.parts):
            _refit(before, after, block, look)


def _is_alike(one: nn.Module, other: nn.Module) -> bool:
    """Return whether two blocks have the same layers with the same weights."""
    states = zip(one.state_dict().values(), other.state_dict().values(), strict=False)
    return repr(one) == repr(other) and all(torch.equal(*pair) for pair in states)


def _refit(before: nn.Module, after: nn.Module, block: Block, look: Look) -> None:
    """Add to a block's projection what brings its output nearest to that of before."""
    target, whole = find_parts(before)[block.number], find_parts(after)[block.number]
    conv, batch_norm = block.projection.conv, block.projection.batch_norm
    sums = LeastSquares(conv.in_channels, conv.out_channels)
    there, here = look(before, [target], _MAX_PHOTOS), look(after, [whole, conv], _MAX_PHOTOS)
    for [(_, wanted)], [(_, made), (maps, _)] in zip(there, here, strict=True):
        sums.add(_list_pixels(maps), _list_pixels(wanted - made))
    missing_weight, missing_bias = sums.solve(_RIDGE_RATIO)
    assert batch_norm.running_mean is not None
    assert batch_norm.running_var is not None
    scale = batch_norm.weight.data / (batch_norm.running_var + batch_norm.eps).sqrt()  # [O]
    weight = conv.weight.data.flatten(1) * scale[:, None] + missing_weight
    bias = batch_norm.bias.data - batch_norm.running_mean * scale + missing_bias
    mean, variance = sums.output_statistics(weight)
    # How fast a layer before a BatchNorm learns depends on how large its weights are: as before.
    size = conv.weight.data.flatten(1).norm(dim=1) / weight.norm(dim=1).clamp_min(_TINY)  # [O]
    conv.weight.data = (size[:, None] * weight).reshape(conv.weight.shape)
    # BatchNorm learns on with the statistics of what it reads, so these must be true.
    batch_norm.running_mean, batch_norm.running_var = size * mean, size.square() * variance
    deviation = (batch_norm.running_var + batch_norm.eps).sqrt()
    batch_norm.weight.data, batch_norm.bias.data = deviation / size, mean + bias


def _list_pixels(maps: Tensor) -> Tensor:
    """Return `[N * H * W, C]` of `[N, C, H, W]`."""
    return maps.movedim(1, -1).flatten(0, 2)
