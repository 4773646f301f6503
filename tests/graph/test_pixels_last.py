"""An OpenVINO model whose photos are not moved: the same answers, and no transposition is left."""

import numpy as np
import pytest

openvino = pytest.importorskip("openvino", reason="needs OpenVINO (edgecat[openvino])")

from openvino import opset13  # noqa: E402

from edgecat.graph.pixels_last import keep_pixels_last  # noqa: E402

MEAN = np.array([123.5, 116.25, 103.75], np.float32).reshape(1, 3, 1, 1)
FIRST = [0, 3, 1, 2]


def transpose(x, order=FIRST):
    return opset13.transpose(x, opset13.constant(order))


def take_mean(x, mean=MEAN):
    return opset13.subtract(x, opset13.constant(mean))


def round_off(x, low=-128, high=127):
    low, high = (opset13.constant(np.float32(limit)) for limit in (low, high))
    return opset13.fake_quantize(x, low, high, low, high, 256)


def round_each(x):
    return round_off(x, -MEAN, 255 - MEAN)


def scale(x):
    return opset13.multiply(x, opset13.constant(np.full((1, 1, 1, 1), 1 / 128, np.float32)))


def convolve(x):
    weights = np.random.default_rng(0).normal(size=(4, 3, 3, 3)).astype(np.float32)
    return opset13.convolution(x, opset13.constant(weights), [2, 2], [1, 1], [1, 1], [1, 1])


def build(*steps, size=(-1, 6, 8, 3)):
    """Return a model that takes uint8 photos through steps, each from a result to a result."""
    image = opset13.parameter(list(size), np.uint8, name="image")
    result = opset13.convert(image, "f32")
    for step in steps:
        result = step(result)
    return openvino.Model([opset13.result(result)], [image])


def list_kinds(model):
    kinds = [node.get_type_name() for node in model.get_ordered_ops()]
    return [kind for kind in kinds if kind != "Constant"]


def answer(model, photos):
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    return openvino.compile_model(model, "CPU", settings)(photos)[0]


@pytest.mark.parametrize(
    "steps",
    [
        (transpose, take_mean),
        (lambda x: take_mean(x, MEAN.reshape(1, 1, 1, 3)), transpose),
        (transpose, take_mean, scale, round_off),
    ],
    ids=["mean", "mean first", "rounded"],
)
def test_answers_stay_and_only_the_convolution_reads_channels_first(steps):
    photos = np.random.default_rng(1).integers(0, 256, (2, 6, 8, 3), dtype=np.uint8)
    model = build(*steps, convolve)
    expected = answer(model.clone(), photos)
    assert keep_pixels_last(model)
    kinds = list_kinds(model)
    assert kinds[:2] == ["Parameter", "Reshape"]
    assert kinds[-4:] == ["Reshape", "Transpose", "Convolution", "Result"]
    assert kinds.count("Transpose") == 1
    assert np.array_equal(answer(model, photos), expected)
    assert model.input().get_partial_shape() == openvino.PartialShape([-1, 6, 8, 3])


def twice(x):
    return opset13.add(x, x)


def take_from_columns(x):
    return take_mean(x, np.arange(3, dtype=np.float32))


def take_from_mean(x):
    return opset13.subtract(opset13.constant(MEAN), x)


SIZE, SQUARE = (-1, 6, 8, 3), (-1, 3, 3, 3)


@pytest.mark.parametrize(
    ("size", "steps"),
    [
        (SIZE, (transpose, take_mean)),
        (SIZE, (lambda x: transpose(x, [0, 3, 2, 1]), take_mean, convolve)),
        (SQUARE, (transpose, transpose, convolve)),
        (SQUARE, (transpose, take_from_columns, convolve)),
        (SIZE, (transpose, take_mean, round_each, convolve)),
        (SIZE, (transpose, opset13.relu, convolve)),
        (SIZE, (transpose, twice, convolve)),
        (SIZE, (transpose, take_from_mean, convolve)),
        ((-1, 6, -1, 3), (transpose, take_mean, convolve)),
        ((6, 8), (lambda x: opset13.reshape(x, opset13.constant([1, 3, 4, 4]), False), convolve)),
    ],
    ids=[
        "no-convolution",
        "turned",
        "two",
        "columns",
        "rounded-by-channel",
        "relu",
        "read-twice",
        "taken-from",
        "open-width",
        "flat",
    ],
)
def test_what_starts_otherwise_is_left_as_it_is(size, steps):
    model = build(*steps, size=size)
    before = list_kinds(model)
    assert not keep_pixels_last(model)
    assert list_kinds(model) == before


def test_a_convolution_that_takes_photos_as_they_come_is_left_as_it_is():
    assert not keep_pixels_last(build(convolve, size=(-1, 3, 6, 8)))
