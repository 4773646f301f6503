"""A random network with lived-in BatchNorm statistics, in float and in INT8."""

import numpy as np
import pytest

from edgecat.photos.drawings import BREEDS, draw_cat
from edgecat.photos.pixels import load_batch


@pytest.fixture(scope="session")
def cats():
    """Sixteen drawn cats: uint8 [16, 224, 224, 3]."""
    rng = np.random.default_rng(0)
    breeds = list(BREEDS)
    return load_batch([draw_cat(breeds[i % len(breeds)], rng) for i in range(16)])


@pytest.fixture(scope="session")
def small(cats):
    return build_graph("mobilenet_v3_small", cats)


@pytest.fixture(scope="session")
def large(cats):
    return build_graph("mobilenet_v3_large", cats)


@pytest.fixture(scope="session")
def quantizer(small, cats):
    from edgecat.quantize.calibrate import calibrate
    from edgecat.quantize.quantizer import Quantizer

    return Quantizer(calibrate(small, cats), cats)


@pytest.fixture(scope="session")
def small_int8(quantizer):
    """The small network in INT8 for ONNX Runtime, not distilled."""
    import onnx

    from edgecat.quantize.recipe import Recipe

    (file,) = quantizer.make("onnxruntime", Recipe("stem in float", 2))
    return onnx.load_model_from_string(file)


@pytest.fixture
def change_small(small):
    """A function that returns the float graph with constants changed by name."""
    import onnx
    from onnx import numpy_helper

    def change(**rules):
        model = onnx.ModelProto.FromString(small.SerializeToString())
        for tensor in model.graph.initializer:
            for ending, rule in rules.items():
                if tensor.name.endswith(ending):
                    values = rule(numpy_helper.to_array(tensor).copy())
                    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
        return model

    return change


def build_graph(arch, cats):
    """Return the optimized float graph of a network whose logits are of the order of 1."""
    import torch

    from edgecat.export.to_onnx import export_onnx
    from edgecat.graph.optimize import optimize_graph
    from edgecat.train.network import build_network, predict_logits

    torch.manual_seed(0)
    network = build_network(arch, 12).train()
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = 1.0  # all statistics from the pass below
    with torch.no_grad():
        network(torch.from_numpy(cats))
        logits = predict_logits(network, cats, torch.device("cpu"))
        network.network.classifier[3].weight.div_(float(logits.std()))
        logits = predict_logits(network, cats, torch.device("cpu"))
    assert logits.std(axis=0).max() > 0.3, "answers all photos alike: proves nothing"
    return optimize_graph(export_onnx(network), cats[:2])[0]
