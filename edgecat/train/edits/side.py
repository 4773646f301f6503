"""A smaller or larger input; the photo's shorter side keeps its proportion to it."""

import dataclasses

from torch import nn

from edgecat.errors import ConfigError
from edgecat.train.architecture import Architecture
from edgecat.train.edit import Edit, Look, read_number

# Below, the last maps are smaller than 4 x 4; above, the network is slower than the one it is made
# from.
# Of a multiple of 16 the first four stages, of stride 2, lose no pixel.
_SIDES_PX = range(128, 256 + 1, 16)


def _change(network: nn.Module, argument: str, look: Look | None) -> None:
    """Leave the network as it is: convolutions take maps of any size."""


def _amend(architecture: Architecture, argument: str) -> Architecture:
    side_px, before = read_number(argument), architecture.input
    if side_px not in _SIDES_PX or side_px == before.side_px:
        raise ConfigError(
            f"accepted are multiples of {_SIDES_PX.step} from {_SIDES_PX.start} to "
            f"{_SIDES_PX[-1]} px, other than the {before.side_px} px of before"
        )
    shorter_px = round(before.shorter_side_px * side_px / before.side_px)
    spec = dataclasses.replace(before, side_px=side_px, shorter_side_px=shorter_px)
    return dataclasses.replace(architecture, input=spec)


ENTRY = Edit(
    form="side:PX",
    about="another side of the input",
    exact_when="nowhere",
    change=_change,
    propose=lambda network: _SIDES_PX,
    scales_all=True,
    amend=_amend,
    lasting_ratio=0.49,
)
