"""Heads in numpy, and the heat that their gradients give: held against differences and sums."""

import numpy as np
import pytest

from edgecat.errors import BundleError
from edgecat.scores.head import Head, Layer
from edgecat.scores.heat import class_heat, find_hottest

# Differences of float32 logits over steps of 1e-2 are this exact.
GRADIENT_TOLERANCE = 2e-3
# float32 sums of some hundred products in another order.
SUM_TOLERANCE = 1e-4


def layer(units, inputs, activation="", seed=0):
    rng = np.random.default_rng(seed)
    weights = rng.normal(0, 1, (units, inputs)).astype(np.float32)
    return Layer(weights, rng.normal(0, 1, units).astype(np.float32), activation)


HEADS = {
    "one layer": Head((layer(4, 6),)),
    "hard swish": Head((layer(9, 6, "HardSwish"), layer(4, 9, seed=1))),
    "relu": Head((layer(9, 6, "Relu"), layer(4, 9, seed=1))),
    "three layers": Head(
        (layer(9, 6, "HardSwish"), layer(7, 9, "Relu", seed=1), layer(4, 7, seed=2))
    ),
}


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_features_of_another_model_are_refused(head):
    features = np.zeros((1, 7), np.float32)
    for ask in (lambda: head.gradient(features[0], 0), lambda: head.logits(features)):
        with pytest.raises(BundleError, match="the head reads 6 features, the model has 7; export"):
            ask()


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_a_gradient_is_the_slope_of_the_logit(head):
    features = np.random.default_rng(3).normal(0, 1, 6).astype(np.float32)
    for label in range(4):
        gradient = head.gradient(features, label)
        for place in range(6):
            step = np.zeros(6, np.float32)
            step[place] = 5e-3
            above, below = head.logits(np.stack([features + step, features - step]))[:, label]
            assert gradient[place] == pytest.approx((above - below) / 1e-2, abs=GRADIENT_TOLERANCE)


@pytest.mark.parametrize(("value", "expected"), [(-4, 0), (-3, 0), (0, 0), (3, 3), (4, 4)])
def test_hard_swish_bends_where_it_should(value, expected):
    one = Layer(np.eye(1, dtype=np.float32), np.zeros(1, np.float32), "HardSwish")
    assert one.run(np.array([[value]], np.float32))[0, 0] == expected


def test_with_one_layer_the_heat_sums_to_the_logit_without_its_bias():
    head = HEADS["one layer"]
    feature_map = np.random.default_rng(4).normal(0, 1, (6, 7, 5)).astype(np.float32)
    logits = head.logits(feature_map.mean(axis=(1, 2))[None])[0]
    for label in range(4):
        heat = class_heat(head, feature_map, label)
        assert heat.shape == (7, 5)
        expected = logits[label] - head.output.biases[label]
        assert heat.sum() == pytest.approx(expected, abs=SUM_TOLERANCE)


def test_the_hottest_position_is_told_from_left_and_top():
    heat = np.zeros((4, 2), np.float32)
    heat[3, 0] = 1
    assert find_hottest(heat) == (0.25, 0.875)
