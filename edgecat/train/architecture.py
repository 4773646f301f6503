"""What is known of a network before it is built; each stands in a file of `train.networks`."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from edgecat.errors import ConfigError
from edgecat.photos.input import InputSpec
from edgecat.registry import Registry

if TYPE_CHECKING:  # `edgecat finetune --help` lists networks without torch
    from torch import Tensor, nn


@dataclasses.dataclass(frozen=True)
class Architecture:
    """A network that can be fine-tuned.

    Attributes:
        input: What it takes.
        build: Returns it with random weights, from torch's global seed, for a number of classes:
            float32 `[N, 3, side, side]` in, logits `[N, K]` out. Each BatchNorm stands right
            behind its convolution.
        backbone: Names of the parts that come before the head, in order; what the last one returns
            is flattened.
        head: Name of the part that learns first, alone.
        output_layer: Name of the head's last layer; its units are the classes.
        hidden_layers: Names of layers that start from random numbers where the pretrained weights
            lack them; all others must be there.
        fetch_pretrained: Returns weights pretrained on ImageNet as a state_dict, downloading them
            if need be; raises `WeightsError`. None where there are none.
        is_default: Whether it is what `edgecat finetune` takes. One is.
    """

    input: InputSpec
    build: "Callable[[int], nn.Module]"
    backbone: tuple[str, ...]
    head: str
    output_layer: str
    hidden_layers: tuple[str, ...] = ()
    fetch_pretrained: "Callable[[], Mapping[str, Tensor]] | None" = None
    is_default: bool = False


#: By name, as in `--arch`, in runs and in bundles.
ARCHITECTURES: Registry[Architecture] = Registry("edgecat.train.networks", "network")


def find_architecture(name: str) -> Architecture:
    """Return what is known of a network: one of `ARCHITECTURES`, or "timm/NAME" of that library.

    Args:
        name: With the edits of a lean network, see `edgecat.train.edit`.

    Raises:
        ConfigError: There is none of this name, or no such edit.
        TrainError: It is one of timm's, which is not installed.
    """
    from edgecat.train.edit import edit_architecture, split_name

    name, edits = split_name(name)
    return functools.reduce(edit_architecture, edits, _find_unedited(name))


def _find_unedited(name: str) -> Architecture:
    from edgecat.train.timm_networks import PREFIX, describe_timm

    if name.startswith(PREFIX):
        return describe_timm(name)
    if name not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES.names)
        raise ConfigError(
            f"network {name!r}: accepted are {known}, or {PREFIX}{name} if timm has it. Nor is it "
            "the folder of a run"
        )
    return ARCHITECTURES.load(name)


def default_arch() -> str:
    """Return the name of the network that is taken where nobody asks for one."""
    return next(name for name, entry in ARCHITECTURES.load_all().items() if entry.is_default)
