"""Graphs of other networks than MobileNetV3: rescaled and imitated exactly, or refused."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs edgecat[train]")

import torch
from onnx import helper, numpy_helper

from edgecat.errors import QuantizeError
from edgecat.graph.optimize import run_float
from edgecat.quantize.placement import Parts, Placement
from edgecat.quantize.prepare import own_constants
from edgecat.quantize.rescale import rescale_channels
from edgecat.quantize.student import Student

# Equal but for the order of float32 sums, at logits of the order of 1.
EXACT = 1e-4

SIDE_PX = 16
RNG = np.random.default_rng(0)
PHOTOS = RNG.integers(0, 256, (4, SIDE_PX, SIDE_PX, 3), dtype=np.uint8)


def conv(inputs, output, side=1, **attributes):
    settings = {"strides": [1, 1], "pads": [side // 2] * 4, "group": 1, "dilations": [1, 1]}
    return helper.make_node("Conv", inputs, [output], name=output, **settings | attributes)


def node(op, inputs, output, **attributes):
    return helper.make_node(op, inputs, [output], name=output, **attributes)


def weight(*shape):
    return RNG.normal(0, 1 / np.sqrt(np.prod(shape[1:])), shape).astype(np.float32)


def make_graph(middle):
    """A network whose `middle` reads "a" and "b", `[N, 8, 16, 16]`, and makes "map", the same."""
    # Channels of very different ranges: what is to be rescaled.
    ranges = np.geomspace(1e-3, 1, 8, dtype=np.float32)
    constants = {
        "mean": np.full((1, 3, 1, 1), 127, np.float32),
        "stem": weight(8, 3, 3, 3) * ranges[:, None, None, None] / 64,
        "zeros": np.zeros(8, np.float32), "next": weight(8, 8, 1, 1), "last": weight(8, 8, 1, 1),
        "middle": weight(8, 8, 1, 1), "grouped": weight(8, 4, 1, 1), "wide": weight(8, 8, 3, 3),
        "added": weight(1, 8, 1, 1), "factor": 1 + weight(1, 8, 1, 1) ** 2,
        "shape": np.array([0, -1]), "dense": weight(3, 8), "dense_bias": weight(3),
    }  # fmt: skip
    nodes = [
        node("Transpose", ["image"], "planes", perm=[0, 3, 1, 2]),
        node("Cast", ["planes"], "floats", to=1),
        node("Sub", ["floats", "mean"], "centred"),
        conv(["centred", "stem", "zeros"], "stem_out", side=3),
        node("Relu", ["stem_out"], "a"),
        conv(["a", "next", "zeros"], "next_out"),
        node("Relu", ["next_out"], "b"),
        *middle,
        conv(["map", "last", "zeros"], "last_out"),
        node("Relu", ["last_out"], "c"),
        node("GlobalAveragePool", ["c"], "pooled"),
        node("Reshape", ["pooled", "shape"], "features"),
        node("Gemm", ["features", "dense", "dense_bias"], "logits", transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "odd",
        [helper.make_tensor_value_info("image", 2, ["N", SIDE_PX, SIDE_PX, 3])],
        [helper.make_tensor_value_info("logits", 1, ["N", 3])],
        [numpy_helper.from_array(values, name) for name, values in constants.items()],
    )
    return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])


DILATED = conv(["b", "wide", "zeros"], "map", pads=[2, 2, 2, 2], dilations=[2, 2])
MIDDLES = {
    "a sum": [node("Add", ["a", "b"], "map")],
    "a constant that is added": [node("Add", ["b", "added"], "map")],
    "a constant factor": [node("Mul", ["b", "factor"], "map")],
    "a product of two maps": [node("Mul", ["a", "b"], "map")],
    "a square": [node("Mul", ["b", "b"], "map")],
    "a gate": [
        node("GlobalAveragePool", ["b"], "mean_of_it"),
        conv(["mean_of_it", "middle", "zeros"], "excited"),
        node("HardSigmoid", ["excited"], "gate", alpha=1 / 6, beta=0.5),
        node("Mul", ["gate", "b"], "map"),
    ],
    "a dilated window": [DILATED],
}


@pytest.mark.parametrize("middle", MIDDLES.values(), ids=MIDDLES)
def test_rescaled_channels_answer_the_same(middle):
    model = make_graph(middle)
    rescaled = rescale_channels(own_constants(model), PHOTOS)
    assert run_float(rescaled, PHOTOS) == pytest.approx(run_float(model, PHOTOS), abs=EXACT)


@pytest.mark.parametrize("middle", MIDDLES.values(), ids=MIDDLES)
def test_a_student_that_does_not_round_answers_the_same(middle):
    model = make_graph(middle)
    student = Student(Parts(own_constants(model), 0), Placement({}, 127))
    answers = student(torch.from_numpy(PHOTOS), rounds=False).detach().numpy()
    assert answers == pytest.approx(run_float(model, PHOTOS), abs=EXACT)


def test_groups_of_several_channels_are_refused_by_name():
    model = make_graph([conv(["b", "grouped", "zeros"], "map", group=2)])
    with pytest.raises(QuantizeError, match="Conv 'map': 2 groups of 4 channels"):
        own_constants(model)
