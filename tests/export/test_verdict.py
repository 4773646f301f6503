"""A verdict says where a variant is worth running, and why not elsewhere."""

import contextlib

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs edgecat[train]")

from edgecat.bundle.manifest import Variant
from edgecat.export import verdict as verdicts
from edgecat.export.verdict import decide, measure_ratios
from edgecat.photos.input import IMAGENET
from edgecat.quantize.search import Budget
from edgecat.runtime.target import TARGETS
from edgecat.scores.compare import compare_accuracy

RATIOS = {
    "onnxruntime-fp32": 1.0,
    "onnxruntime-int8": 0.8,
    "openvino-fp32": 1.1,
    "openvino-int8": 0.7,
    "openvino-bf16": 0.75,
    "openvino-int8bf16": 0.65,
}


@pytest.fixture(autouse=True)
def on_vnni(monkeypatch):
    monkeypatch.setattr(verdicts, "detect_target", lambda: "x86-vnni")


def loss_of(num_wrong):
    targets = np.zeros(100, np.int64)
    expected = np.tile(np.array([1, 0], np.float32), (100, 1))
    answers = expected.copy()
    answers[:num_wrong] = [0, 1]
    return compare_accuracy(expected, answers, targets)


def decide_on(name, ratios=RATIOS, num_wrong=0, budget=None):
    change = None if name.endswith("fp32") else loss_of(num_wrong)
    return decide(Variant(name, ("m",)), ratios, change, budget or Budget())


@pytest.mark.parametrize(
    ("name", "ships_to"),
    [
        ("onnxruntime-fp32", TARGETS.names),
        ("openvino-fp32", TARGETS.names),
        ("onnxruntime-int8", TARGETS.names),
        ("openvino-int8", ("x86-avx2", "x86-vnni")),
        ("openvino-bf16", ("x86-vnni",)),
        ("openvino-int8bf16", ("x86-vnni",)),
    ],
)
def test_good_variants_ship_where_they_run_well(name, ships_to):
    verdict = decide_on(name)
    assert verdict.ships_to == ships_to
    assert verdict.measured_on == "x86-vnni"
    assert verdict.latency_ratio == RATIOS[name]


def test_over_budget_ships_nowhere():
    verdict = decide_on("onnxruntime-int8", num_wrong=5)
    assert verdict.ships_to == ()
    assert all("loses 5.0 pp" in reason for reason in verdict.reasons.values())


def test_slower_than_its_own_float_does_not_ship_here_but_may_elsewhere():
    verdict = decide_on("openvino-int8", RATIOS | {"openvino-int8": 1.21})
    assert "1.10 times the latency of openvino-fp32" in verdict.reasons["x86-vnni"]
    assert verdict.ships_to == ("x86-avx2",)


def test_eight_bit_weights_do_not_ship_where_they_saturate():
    verdict = decide_on("onnxruntime-int8", budget=Budget(targets=("x86-vnni", "arm")))
    assert verdict.ships_to == ("arm", "x86-vnni")
    assert "saturate" in verdict.reasons["x86-avx2"]


def test_an_int8_model_in_bf16_ships_only_where_int8_was_made_for():
    verdict = decide_on("openvino-int8bf16", budget=Budget(targets=("arm",)))
    assert verdict.ships_to == ()
    assert verdict.reasons["x86-vnni"] == "not made for it"


def test_float_ships_whatever_int8_was_made_for():
    assert decide_on("onnxruntime-fp32", budget=Budget(targets=("arm",))).ships_to == TARGETS.names


def test_the_line_names_targets_and_reasons():
    line = decide_on("openvino-int8").describe("onnxruntime-fp32")
    assert "0.70x the latency of onnxruntime-fp32 on x86-vnni" in line
    assert "ship to x86-avx2, x86-vnni" in line
    assert "not arm: OpenVINO's int8 was not measured on it" in line


@pytest.mark.slow
def test_ratios_are_to_the_reference():
    class Engine:
        def __init__(self, num_products):
            self._values = np.ones((num_products, 400, 400), np.float32)

        def run(self, batch):
            return self._values @ self._values

    class Opening:
        def __init__(self, name, num_products):
            self.variant, self._engine = Variant(name, ("model.onnx",)), Engine(num_products)

        @contextlib.contextmanager
        def open(self, threads):
            assert threads == 1
            yield self._engine

    models = [Opening("onnxruntime-fp32", 1), Opening("onnxruntime-int8", 8)]
    ratios = measure_ratios(models, IMAGENET)
    assert ratios["onnxruntime-fp32"] == 1
    assert ratios["onnxruntime-int8"] > 2
