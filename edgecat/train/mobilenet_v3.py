"""torchvision's MobileNetV3, of which there are two sizes in `train.networks`."""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from edgecat.errors import WeightsError
from edgecat.photos.input import IMAGENET
from edgecat.train.architecture import Architecture

if TYPE_CHECKING:
    from torch import Tensor, nn


def describe_mobilenet(name: str, *, is_default: bool = False) -> Architecture:
    """Return a MobileNetV3.

    Args:
        name: As torchvision calls it.
        is_default: See `Architecture`.
    """
    return Architecture(
        input=IMAGENET,
        build=partial(_build, name),
        backbone=("features", "avgpool"),
        head="classifier",
        output_layer="classifier.3",
        hidden_layers=("classifier.0",),
        fetch_pretrained=partial(_fetch_pretrained, name),
        is_default=is_default,
    )


def _build(name: str, num_classes: int) -> "nn.Module":
    from edgecat.train.vision import import_torchvision

    network: nn.Module = import_torchvision().models.get_model(
        name, weights=None, num_classes=num_classes
    )
    return network


def _fetch_pretrained(name: str) -> "Mapping[str, Tensor]":
    from edgecat.train.vision import import_torchvision

    weights = import_torchvision().models.get_model_weights(name).DEFAULT
    try:
        state: Mapping[str, Tensor] = weights.get_state_dict(progress=False, check_hash=True)
    except (OSError, RuntimeError) as error:  # no network; a damaged download
        raise WeightsError(
            f"--weights imagenet: {weights.url} could not be fetched ({error}). Two ways out: "
            "fetch that file on another machine and give it with --weights FILE, or start from "
            "the model that ships with edgecat: --weights cats12"
        ) from error
    return state
