"""Random networks with lived-in BatchNorm statistics, and their graphs."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from edgecat.export.parity import LOGIT_TOLERANCE
from edgecat.photos.drawings import BREEDS, draw_cat
from edgecat.photos.pixels import load_batch

NUM_CLASSES = 3


@dataclasses.dataclass
class Exported:
    """A network, what it answers, and its graph before and after the passes."""

    network: Any  # PhotoNetwork
    expected: np.ndarray
    plain: Any  # onnx.ModelProto
    optimized: Any
    changes: dict[str, int]
    tolerance: float  # of a logit


@pytest.fixture(scope="session")
def cats():
    """Eight drawn cats: uint8 [8, 224, 224, 3]."""
    rng = np.random.default_rng(0)
    return load_batch([draw_cat(breed, rng) for breed in list(BREEDS)[:8]])


@pytest.fixture(scope="session")
def small(cats):
    return export("mobilenet_v3_small", cats)


@pytest.fixture(scope="session", params=["small", "large"])
def exported(request, cats, small):
    if request.param == "small":
        return small
    large = export("mobilenet_v3_large", cats)
    # With random weights, 62 layers amplify in which order float32 is summed: 0.0011 was seen.
    return dataclasses.replace(large, tolerance=2 * LOGIT_TOLERANCE)


def export(arch, cats):
    """Export a network whose logits are of the order of 1."""
    import torch

    from edgecat.export.to_onnx import export_onnx
    from edgecat.graph.optimize import optimize_graph
    from edgecat.train.network import build_network, predict_logits

    torch.manual_seed(0)
    network = build_network(arch, NUM_CLASSES).train()
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = 1.0  # all statistics from the pass below
    with torch.no_grad():
        network(torch.from_numpy(cats))
        disturb_batchnorms(network)
        logits = predict_logits(network, cats, torch.device("cpu"))
        network.network.classifier[3].weight.div_(float(logits.std()))
    expected = predict_logits(network, cats, torch.device("cpu"))
    assert expected.std(axis=0).max() > 0.3, "answers all photos alike: proves nothing"
    plain = export_onnx(network)
    return Exported(network, expected, plain, *optimize_graph(plain, cats), LOGIT_TOLERANCE)


def disturb_batchnorms(network):
    """Give BatchNorm layers negative, tiny and ordinary weights, and other statistics."""
    import torch

    generator = torch.Generator().manual_seed(1)
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            draw = torch.rand(4, layer.num_features, generator=generator)
            layer.weight.mul_(0.5 + draw[0])
            layer.weight[::5] *= -1
            layer.weight[3::16] = 1e-5
            layer.bias.add_(draw[1] - 0.5)
            layer.running_mean.add_((draw[2] - 0.5) * layer.running_var.sqrt())
            layer.running_var.mul_(0.5 + draw[3])
