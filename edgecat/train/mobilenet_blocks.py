"""The parts of torchvision's MobileNetV3 that edits change.

`network.features` is the stem, the inverted residual blocks and a last convolution, numbered from
0. An edit puts `nn.Identity` in the place of what it takes out, so numbers and names stay.
"""

import dataclasses
from collections.abc import Collection, Sequence
from typing import cast

from torch import nn

from edgecat.errors import ConfigError
from edgecat.train.vision import import_torchvision


@dataclasses.dataclass(frozen=True)
class Layer:
    """A convolution, its BatchNorm and maybe an activation.

    Attributes:
        parts: These, in order.
    """

    parts: nn.Sequential

    @property
    def conv(self) -> nn.Conv2d:
        """Return the convolution, which has no bias."""
        return cast(nn.Conv2d, self.parts[0])

    @property
    def batch_norm(self) -> nn.BatchNorm2d:
        """Return its BatchNorm."""
        return cast(nn.BatchNorm2d, self.parts[1])


@dataclasses.dataclass(frozen=True)
class Block:
    """An inverted residual block: expansion, depthwise convolution, gate, projection.

    Attributes:
        number: Its position in `network.features`.
        parts: In order: layers, and before the last one maybe the gate.
        has_shortcut: Whether what comes in is added to what the projection makes.
    """

    number: int
    parts: nn.Sequential
    has_shortcut: bool

    @property
    def layers(self) -> list[Layer]:
        """Return expansion (where there is one), depthwise convolution and projection."""
        return [Layer(part) for part in self.parts if isinstance(part, nn.Sequential)]

    @property
    def expansion(self) -> Layer | None:
        """Return the 1x1 convolution that makes more channels; the first block has none."""
        first = self.layers[0]
        return None if first == self.depthwise else first

    @property
    def depthwise(self) -> Layer:
        """Return the convolution that works on each channel alone."""
        return self.layers[-2]

    @property
    def projection(self) -> Layer:
        """Return the 1x1 convolution that makes fewer channels."""
        return self.layers[-1]

    @property
    def gate(self) -> nn.Module | None:
        """Return squeeze-and-excitation, which scales each channel by what all of a map shows."""
        kind = import_torchvision().ops.SqueezeExcitation
        return next((part for part in self.parts if isinstance(part, kind)), None)

    def replace(self, part: nn.Module, other: nn.Module) -> None:
        """Put another part in the place of one."""
        self.parts[list(self.parts).index(part)] = other


def find_parts(network: nn.Module) -> dict[int, nn.Module]:
    """Return the numbered parts of a network.

    Raises:
        ConfigError: It is no MobileNetV3 of torchvision's.
    """
    kind = import_torchvision().models.MobileNetV3
    if not isinstance(network, kind):
        raise ConfigError("fits torchvision's MobileNetV3 only, which this network is not")
    return dict(enumerate(network.features))


def find_blocks(network: nn.Module) -> dict[int, Block]:
    """Return a network's inverted residual blocks by number.

    Raises:
        ConfigError: It is no MobileNetV3 of torchvision's.
    """
    kind = import_torchvision().models.mobilenetv3.InvertedResidual
    return {
        number: Block(number, part.block, part.use_res_connect)
        for number, part in find_parts(network).items()
        if isinstance(part, kind)
    }


def choose_blocks(
    network: nn.Module, fitting: Collection[int], wanted: Sequence[int], what: str
) -> list[Block]:
    """Return the blocks that an edit changes.

    Args:
        network: Whose blocks they are.
        fitting: The numbers of those that it can change.
        wanted: The numbers that were asked for.
        what: What fits, in words.

    Raises:
        ConfigError: One of those does not fit.
    """
    check_numbers(fitting, wanted, what)
    blocks = find_blocks(network)
    return [blocks[number] for number in wanted]


def check_numbers(fitting: Collection[int], wanted: Sequence[int], what: str) -> None:
    """Refuse numbers of parts that an edit cannot change.

    Args:
        fitting: As for `choose_blocks`.
        wanted: As for `choose_blocks`.
        what: As for `choose_blocks`.

    Raises:
        ConfigError: One of those does not fit.
    """
    if not fitting:
        raise ConfigError(f"the network has no {what} (left)")
    if others := [str(number) for number in wanted if number not in fitting]:
        raise ConfigError(
            f"{', '.join(others)} is no {what}; accepted are {', '.join(map(str, fitting))}"
        )
