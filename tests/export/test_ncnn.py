"""ncnn's models answer as the checkpoint, in fp32; in fp16 they are imitated, measured, refused."""

import dataclasses
import re

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs edgecat[train]")
pytest.importorskip("ncnn", reason="needs ncnn (edgecat[ncnn])")

import onnx
from onnx import helper, numpy_helper

from edgecat.bundle.manifest import Variant
from edgecat.bundle.ncnn_file import Layer, read_param, write_param
from edgecat.bundle.store import load_bundle
from edgecat.errors import NotFiniteError, UnsupportedGraphError
from edgecat.export.floats import FloatGraph, build_float_models
from edgecat.export.maker import list_products
from edgecat.export.ncnn_half import HalfEngine
from edgecat.export.parity import check_parity
from edgecat.export.rounded import find_overflow, try_rounded
from edgecat.graph.optimize import run_float
from edgecat.graph.to_ncnn import export_ncnn
from edgecat.photos.input import IMAGENET
from edgecat.quantize.model import Model
from edgecat.quantize.search import Budget
from edgecat.quantize.step import ValidationSet
from edgecat.runtime.engine import open_model
from edgecat.runtime.precision import BF16, FP16

pytestmark = pytest.mark.slow  # exports networks

FLOAT = Variant("ncnn-fp32", ("m.param", "m.bin"))
HALF = Variant("ncnn-fp16", ("m.param", "m.bin"))

# Of the largest number: float32 sums in another order.
EXACT_RATIO = 1e-4

# The same: fp16 holds 11 bits, and random networks of 60 layers amplify what is lost.
HALF_RATIO = 0.2


def gap_ratio(found, expected):
    """Return the largest difference by the largest number."""
    assert found.shape == expected.shape
    return np.abs(found - expected).max() / np.abs(expected).max()


class Notes:
    """A progress that keeps what is said."""

    def __init__(self):
        self.said = []

    def say(self, line):
        self.said.append(line)


def test_it_answers_as_torch(exported, cats):
    engine = open_model(FLOAT, export_ncnn(exported.optimized), 1)
    assert check_parity(engine, cats, exported.expected).num_images == len(cats)


def test_its_features_are_those_of_the_reference(small, cats):
    _, features = open_model(FLOAT, export_ncnn(small.optimized), 1).run_with_features(cats)
    reference = open_model(
        Variant("onnxruntime-fp32", ("m",)), [small.optimized.SerializeToString()], 1
    )
    assert gap_ratio(features, reference.run_with_features(cats)[1]) < EXACT_RATIO


def test_the_same_graph_makes_the_same_files_and_is_left_alone(small):
    before = small.optimized.SerializeToString(deterministic=True)
    assert export_ncnn(small.optimized) == export_ncnn(small.optimized)
    assert small.optimized.SerializeToString(deterministic=True) == before


def test_activations_are_joined_to_the_layers_before_them(exported):
    kinds = [layer.kind for layer in read_param(export_ncnn(exported.optimized)[0])]
    assert "ReLU" not in kinds
    assert "HardSwish" not in kinds


SIDE_PX = 8
RNG = np.random.default_rng(0)


def weights(name, *shape):
    return numpy_helper.from_array(RNG.normal(size=shape).astype(np.float32), name)


CONSTANTS = [
    weights("mean", 1, 3, 1, 1), weights("stem", 4, 3, 3, 3), weights("bias", 4),
    weights("depthwise", 4, 1, 3, 3), weights("squeeze", 4, 4, 1, 1), weights("dense", 4, 3),
    weights("dense_bias", 3), weights("grouped", 4, 2, 1, 1),
]  # fmt: skip


def make_graph(middle, *, stem=None, last=None):
    """A graph of odd forms: its `middle` reads "stem_out" [N, 4, 4, 4] and makes "map"."""
    node = helper.make_node
    nodes = [
        node("Transpose", ["image"], ["planes"], perm=[0, 3, 1, 2]),
        node("Cast", ["planes"], ["floats"], to=1),
        node("Sub", ["floats", "mean"], ["centred"]),
        node("Conv", ["centred", "stem", "bias"], ["stem_out"], **(
            stem or {"strides": [2, 2], "pads": [1, 1, 1, 1]}
        )),
        *middle,
        node("GlobalAveragePool", ["map"], ["pooled"]),
        node("Flatten", ["pooled"], ["features"]),
        last or node("Gemm", ["features", "dense", "dense_bias"], ["logits"]),
    ]  # fmt: skip
    graph = helper.make_graph(
        nodes,
        "odd",
        [helper.make_tensor_value_info("image", 2, ["N", SIDE_PX, SIDE_PX, 3])],
        [
            helper.make_tensor_value_info("logits", 1, ["N", 3]),
            helper.make_tensor_value_info("features", 1, ["N", 4]),
        ],
        CONSTANTS,
    )
    return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])


NODE = helper.make_node
ODD = {
    "an activation whose input is read elsewhere, too": [
        NODE("Relu", ["stem_out"], ["relu"]), NODE("Add", ["relu", "stem_out"], ["map"]),
    ],
    "two activations in a row": [
        NODE("Relu", ["stem_out"], ["relu"]), NODE("HardSwish", ["relu"], ["map"]),
    ],
    "a tensor that is added to itself": [NODE("Add", ["stem_out", "stem_out"], ["map"])],
    "a convolution without bias": [NODE("Conv", ["stem_out", "squeeze"], ["map"])],
    "a depthwise convolution": [
        NODE("Conv", ["stem_out", "depthwise", "bias"], ["map"], group=4, pads=[1, 1, 1, 1]),
    ],
    "a squeeze that comes first": [
        NODE("GlobalAveragePool", ["stem_out"], ["mean_of_it"]),
        NODE("Conv", ["mean_of_it", "squeeze", "bias"], ["squeezed"]),
        NODE("HardSigmoid", ["squeezed"], ["gate"], alpha=1 / 6, beta=0.5),
        NODE("Mul", ["gate", "stem_out"], ["map"]),
    ],
}  # fmt: skip


@pytest.mark.parametrize("middle", ODD.values(), ids=ODD)
def test_odd_forms_are_written_rightly(middle):
    model = make_graph(middle)
    photos = RNG.integers(0, 256, (5, SIDE_PX, SIDE_PX, 3), dtype=np.uint8)
    answers = open_model(FLOAT, export_ncnn(model), 1).run(photos)
    assert gap_ratio(answers, run_float(model, photos)) < EXACT_RATIO


RELU = NODE("Relu", ["stem_out"], ["map"])
UNKNOWN = {
    "another operator": make_graph([NODE("Sigmoid", ["stem_out"], ["map"])]),
    "another slope": make_graph([NODE("HardSigmoid", ["stem_out"], ["map"], alpha=0.3)]),
    "the slope that ONNX has by default": make_graph([NODE("HardSigmoid", ["stem_out"], ["map"])]),
    "a constant factor": make_graph([NODE("Mul", ["stem_out", "bias"], ["map"])]),
    "groups of channels": make_graph([NODE("Conv", ["stem_out", "grouped"], ["map"], group=2)]),
    "a window that is dilated": make_graph([RELU], stem={"dilations": [2, 2]}),
    "strides that differ": make_graph([RELU], stem={"strides": [2, 1]}),
    "padding on one side": make_graph([RELU], stem={"pads": [0, 0, 1, 1]}),
    "padding by a rule": make_graph([RELU], stem={"auto_pad": "SAME_UPPER"}),
    "a scaled product": make_graph(
        [RELU], last=NODE("Gemm", ["features", "dense", "dense_bias"], ["logits"], alpha=2.0)
    ),
}


@pytest.mark.parametrize("model", UNKNOWN.values(), ids=UNKNOWN)
def test_what_is_not_written_for_ncnn_is_refused_by_name(model):
    with pytest.raises(UnsupportedGraphError, match="ncnn"):
        export_ncnn(model)


def test_a_network_that_ncnn_cannot_have_is_exported_for_the_others():
    notes = Notes()
    models = build_float_models(UNKNOWN["another operator"], notes)
    assert {model.variant.name for model in models} >= {"onnxruntime-fp32"}
    assert FLOAT.name not in {model.variant.name for model in models}
    (said,) = notes.said
    assert said.startswith("left out: ncnn-fp32: Sigmoid")


# fp16


def test_sums_are_rounded_to_fp16_product_by_product():
    """2048 + 1 is 2048 in fp16, however often 1 is added; rounded at the end it would be 2056."""
    layers = [
        Layer("Input", (), ("image",), {"side": 1, "channels": 3}),
        Layer("Pooling", ("image",), ("0",)),
        Layer("InnerProduct", ("0",), ("1",), {"channels": 9, "weights": 27}),
        Layer("Split", ("1",), ("2", "features")),
        Layer("InnerProduct", ("2",), ("logits",), {"channels": 1, "weights": 9}),
    ]
    spread = np.zeros((9, 3), "<f4")
    spread[:, 0] = [2048, *[1] * 8]
    ones = np.ones(9, "<f4")
    numbers = bytes(4) + spread.tobytes() + bytes(36) + bytes(4) + ones.tobytes() + bytes(4)
    engine = HalfEngine(HALF, (write_param(layers), numbers))
    assert engine.run(np.ones((1, 1, 1, 3), np.uint8)).tolist() == [[2048.0]]


def test_fp16_is_near_fp32_but_not_equal(small, cats):
    logits, features = HalfEngine(HALF, export_ncnn(small.optimized)).run_with_features(cats)
    assert EXACT_RATIO < gap_ratio(logits, small.expected) < HALF_RATIO
    assert features.shape == (len(cats), features.shape[1])


def test_the_odd_forms_are_imitated_too():
    for middle in ODD.values():
        model = make_graph(middle)
        photos = RNG.integers(0, 256, (2, SIDE_PX, SIDE_PX, 3), dtype=np.uint8)
        answers = HalfEngine(HALF, export_ncnn(model)).run(photos)
        assert 0 < gap_ratio(answers, run_float(model, photos)) < HALF_RATIO


def grow(model, name, factor):
    """Return a model one of whose weights is larger."""
    grown = onnx.ModelProto.FromString(model.SerializeToString())
    (tensor,) = (each for each in grown.graph.initializer if each.name == name)
    tensor.CopyFrom(numpy_helper.from_array(factor * numpy_helper.to_array(tensor), name))
    return grown


@pytest.fixture
def overflowing(small):
    """The small network with a stem whose values are beyond fp16's."""
    return grow(small.optimized, "network.features.0.0.weight", 1e5)


def test_a_tensor_beyond_fp16_is_found_and_named(small, overflowing, cats):
    assert find_overflow(small.optimized, cats, FP16) == ""
    assert find_overflow(overflowing, cats, BF16) == ""
    found = find_overflow(overflowing, cats, FP16)
    assert re.match(
        r"tensor '\w+' reaches \S+ on 8 validation photos, fp16 holds at most 65,504", found
    )


def prove(model, cats):
    """Return what `try_rounded` needs of a network: validation photos are answered as in fp32."""
    files = export_ncnn(model)
    expected = run_float(model, cats)
    validation = ValidationSet(cats, expected.argmax(axis=1), expected, IMAGENET)
    return FloatGraph((model.SerializeToString(), b""), {}), (Model(FLOAT, files),), validation


def test_fp16_is_kept_where_it_answers_as_well(cats):
    released = load_bundle("cats12")
    trained = onnx.load_model_from_string(released.model_files("onnxruntime-fp32")[0])
    notes = Notes()
    (model,) = try_rounded(*prove(trained, cats), Budget(), notes)
    assert (model.variant.name, model.change.num_images, notes.said) == ("ncnn-fp16", 8, [])
    with model.open() as engine:
        assert engine.run(cats).shape == (len(cats), 12)


def test_fp16_is_left_out_where_a_tensor_does_not_fit(overflowing, cats):
    notes = Notes()
    assert try_rounded(*prove(overflowing, cats), Budget(), notes) == ()
    (said,) = notes.said
    assert re.match(r"left out: ncnn-fp16: tensor '\w+' reaches", said)


def test_fp16_is_left_out_where_a_sum_overflows_on_its_way():
    """Terms that cancel each other out: every tensor fits, but not the sum of the first half."""
    model = make_graph([RELU])
    values = np.full((4, 3), 1e3, np.float32)
    values[2:] = -1e3
    dense = next(each for each in model.graph.initializer if each.name == "dense")
    dense.CopyFrom(numpy_helper.from_array(values, "dense"))
    stem = next(each for each in model.graph.initializer if each.name == "stem")
    stem.CopyFrom(numpy_helper.from_array(np.ones((4, 3, 3, 3), np.float32), "stem"))
    photos = np.full((2, SIDE_PX, SIDE_PX, 3), 255, np.uint8)
    assert find_overflow(model, photos, FP16) == ""
    with pytest.raises(NotFiniteError):
        dataclasses.replace(
            Model(HALF, export_ncnn(model)), imitation=HalfEngine(HALF, export_ncnn(model))
        ).open().__enter__().run(photos)
    notes = Notes()
    assert try_rounded(*prove(model, photos), Budget(), notes) == ()
    assert notes.said == ["left out: ncnn-fp16: its answer to a validation photo is not finite"]


def test_fp16_over_budget_is_left_out(small, cats):
    graph, models, validation = prove(small.optimized, cats)
    strict = dataclasses.replace(validation, targets=validation.targets * 0 + 1)
    wrong = dataclasses.replace(strict, expected=np.eye(3, dtype=np.float32)[strict.targets])
    notes = Notes()
    assert try_rounded(graph, models, wrong, Budget(), notes) == ()
    assert notes.said[0].startswith("left out: ncnn-fp16: over budget, ncnn-fp16 lost")


def test_a_machine_without_fp16_makes_it_by_imitation():
    (product,) = (each for each in list_products() if each.variant.name == "ncnn-fp16")
    assert product.exact.name == "ncnn-fp32"
    assert product.variant.files == product.exact.files
