"""What edits save: which are tried, how savings add up, and what is refused."""

import dataclasses
import json
from collections import Counter
from importlib.metadata import version

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch (edgecat[train])")

from benchmarks.optimize.predicted_latency import predict_ratio
from edgecat.bench.host import describe_host
from edgecat.cli.main import _run
from edgecat.errors import ConfigError, UnsupportedGraphError
from edgecat.export.to_onnx import export_onnx
from edgecat.graph.optimize import optimize_graph
from edgecat.optimize.kept import load_kept
from edgecat.optimize.savings import Saving, Savings, measure_savings, summarize
from edgecat.optimize.space import build_random, find_pairs, group_edits, list_edits
from edgecat.optimize.table import open_stopwatch
from edgecat.optimize.timing import (
    NUM_OPENINGS,
    Stopwatch,
    _build_graph,
    find_product,
    find_quickest,
    list_timeable,
)
from edgecat.progress import Silent
from edgecat.train.architecture import find_architecture
from edgecat.train.edit import EDITS, join_name, kind_of
from edgecat.train.mobilenet_blocks import find_blocks
from edgecat.train.network import PhotoNetwork

pytestmark = pytest.mark.usefixtures("one_thread")

ARCH = "mobilenet_v3_small"

TIMED = [product.variant.name for product in list_timeable()]

# Half the side is a quarter of the work, and without blocks and head there is little left: no noise
# of a busy machine hides that.
MOST = ("side:128", "drop-block:3", "no-se", "no-hidden-head")

SAVINGS = Savings(
    arch=ARCH,
    variant="onnxruntime-fp32",
    latency_ms=1.5,
    edits={
        "no-se": Saving(0.8, (0.79, 0.81)),
        "no-hidden-head": Saving(0.9, (0.88, 0.92)),
        "side:160": Saving(0.5, (0.5, 0.5)),
        "side:192": Saving(0.7, (0.7, 0.7)),
    },
    cpu="Another Processor",
    versions={"onnxruntime": "0.1"},
)


def test_every_kind_of_edit_proposes_some_that_fit():
    edits = list_edits(ARCH)
    assert set(map(kind_of, edits)) == set(EDITS.names)
    assert len(set(edits)) == len(edits)
    for edit in ("no-se", "no-se:4", "drop-block:11", "narrow:4=48", "side:192", "relu:0"):
        assert edit in edits
    assert "side:224" not in edits  # as it is


def test_an_edit_that_was_made_is_not_proposed_again():
    edits = list_edits(join_name(ARCH, ("no-se", "no-hidden-head", "drop-block:6", "narrow:2=48")))
    assert len(set(edits)) == len(edits)
    assert not [edit for edit in edits if edit.startswith(("no-se", "no-hidden"))]
    assert "drop-block:6" not in edits
    assert "drop-block:5" in edits


def test_all_that_is_proposed_fits_together_with_no_number_twice():
    network = build_random(join_name(ARCH, ("no-se:4", "no-se:5", "narrow:4=48", "side:192")))
    values = [tensor for tensor in network.parameters() if tensor.ndim == 1]
    assert len({tuple(tensor.tolist()) for tensor in values}) == len(values)


def test_edits_are_grouped_by_the_part_that_they_change_and_sums_are_left_out():
    edits = ("relu", "relu:12", "no-se", "no-se:4", "no-hidden-head", "narrow:4=48", "relu:0")
    assert group_edits(edits) == [
        ["relu:0"],
        ["no-se:4", "narrow:4=48"],
        ["relu:12"],
        ["no-hidden-head"],
    ]


def test_edits_of_a_block_go_together_if_either_may_be_made_first():
    edits = ("drop-block:5", "no-se:5", "narrow:5=96", "narrow:5=64", "kernel3:5")
    pairs = find_pairs(ARCH, edits)
    assert pairs == {
        frozenset(pair)
        for pair in (
            ("no-se:5", "narrow:5=96"),
            ("no-se:5", "narrow:5=64"),
            ("no-se:5", "kernel3:5"),
            ("narrow:5=96", "kernel3:5"),
            ("narrow:5=64", "kernel3:5"),
        )
    }


@pytest.mark.parametrize(
    ("edits", "ratio"),
    [
        ((), 1.0),
        (("no-se",), 0.8),
        (("no-se", "no-hidden-head"), 0.7),
        (("side:160",), 0.5),
        (("no-se", "no-hidden-head", "side:160"), 0.35),
    ],
)
def test_savings_of_parts_add_up_and_a_smaller_input_scales_what_is_left(edits, ratio):
    saved = {edit: 1 - one.ratio for edit, one in SAVINGS.edits.items()}
    assert predict_ratio(saved, edits) == pytest.approx(ratio)


def test_the_widest_interval_says_what_may_be_chance():
    assert SAVINGS.margin_ratio == pytest.approx(0.02)
    assert dataclasses.replace(SAVINGS, edits={}).margin_ratio == 0


def test_what_is_neither_a_run_nor_a_network_is_told_as_both(tmp_path, capsys):
    assert _run(["edits", str(tmp_path / "typo")]) == ConfigError.exit_code
    told = capsys.readouterr().err
    assert "typo" in told and ARCH in told and "Nor is it the folder of a run" in told


@pytest.mark.slow
def test_a_much_smaller_network_is_quicker():
    lean = join_name(ARCH, MOST)
    stopwatch = Stopwatch(lean, find_product("onnxruntime-fp32"), 24)
    savings = measure_savings(stopwatch, ["side:256"])
    assert savings.edits["side:256"].ratio > 1
    assert savings.latency_ms > 0


@pytest.mark.slow
def test_trained_weights_are_timed_so_that_a_gate_they_hold_still_has_nothing_to_save():
    architecture = find_architecture(ARCH)
    network = PhotoNetwork(build_random(ARCH), architecture, architecture.input)
    squeeze = find_blocks(network.network)[1].gate.fc1
    squeeze.weight.data.clamp_(max=0)
    squeeze.bias.data.clamp_(max=0)
    product = find_product("onnxruntime-fp32")

    def count_gates(trained, *edits):
        graph = _build_graph(Stopwatch(ARCH, product, 1, trained)._edit(edits))
        return sum(node.op_type == "HardSigmoid" for node in graph.graph.node)

    assert count_gates(None) == count_gates(network) + 1
    assert count_gates(network) == count_gates(network, "no-se:1")
    assert count_gates(network, "no-se:4") == count_gates(network) - 1


@pytest.mark.slow
def test_what_is_timed_computes_what_an_export_would():
    network = Stopwatch(ARCH, find_product("onnxruntime-fp32"), 1)._edit(())
    photos = np.zeros((2, *network.input.shape), np.uint8)
    exported, _ = optimize_graph(export_onnx(network), photos)

    def count(model):
        kinds = Counter(node.op_type for node in model.graph.node)
        kinds["Reshape"] += kinds.pop("Flatten", 0)  # of a vector
        return kinds

    assert count(_build_graph(network)) == count(exported)


@pytest.mark.slow
@pytest.mark.parametrize("variant", TIMED)
def test_every_engine_times_edits_opening_by_opening(variant):
    [times] = Stopwatch(ARCH, find_product(variant), 1).time([MOST])
    assert {edits: len(ms) for edits, ms in times.items()} == {(): NUM_OPENINGS, MOST: NUM_OPENINGS}
    assert summarize(times[MOST], times[()]).interval_ratio[1] < 1


@pytest.mark.slow
def test_of_several_variants_the_one_that_answers_soonest_is_found():
    lean = join_name(ARCH, MOST)
    slow, quick = (Stopwatch(name, list_timeable()[0], 1) for name in (ARCH, lean))
    other = dataclasses.replace(slow.product.variant, name="onnxruntime-int8")
    quick = dataclasses.replace(quick, product=dataclasses.replace(slow.product, variant=other))
    assert find_quickest([slow, quick], Silent()) is quick
    assert find_quickest([quick, slow], Silent()) is quick


@pytest.mark.slow
def test_unless_asked_otherwise_a_float32_variant_of_an_engine_here_is_timed():
    found = open_stopwatch(ARCH, None, 1, Silent()).product
    assert found.variant.name in TIMED
    assert found.precision.made == "exact"


def test_a_variant_that_cannot_have_the_network_is_left_out_and_told(monkeypatch, listens):
    first, *others = [Stopwatch(ARCH, one, 1) for one in list_timeable()]

    def refuse(self, edits=()):
        if self.variant == first.variant:
            return load(self, edits)
        raise UnsupportedGraphError("no such operator")

    load = Stopwatch.load
    monkeypatch.setattr(Stopwatch, "load", refuse)
    progress = listens()
    assert find_quickest([first, *others], progress) is first
    told = [f"{one.variant} is left out: no such operator" for one in others]
    assert [line for line in progress.lines if "left out" in line] == told


def test_a_variant_that_cannot_be_timed_is_refused_with_those_that_can():
    with pytest.raises(ConfigError, match="--variant onnxruntime-int8: this machine can time onnx"):
        find_product("onnxruntime-int8")


@pytest.mark.slow
def test_the_command_lists_edits_and_says_where_they_hold(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("edgecat.optimize.space.list_edits", lambda arch: ("side:128",))
    file = tmp_path / "s.json"
    options = ["--variant", "onnxruntime-fp32", "--rounds", "10"]
    assert _run(["edits", ARCH, *options, "--json", str(file)]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].startswith(f"{ARCH}, onnxruntime-fp32, 1 thread, ")
    assert shown[2].startswith("side:128  ")
    written = json.loads(file.read_text())
    assert written["edits"].keys() == {"side:128"}
    assert (written["arch"], written["cpu"]) == (ARCH, describe_host()["cpu"])
    assert written["versions"] == {"onnxruntime": version("onnxruntime")}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["resnet18"], "network 'resnet18': accepted are mobilenet_v3_large, "),
        ([ARCH, "--variant", "x"], "--variant x: this machine can time "),
        ([f"{ARCH}+no-sea"], "edit no-sea: accepted are "),
    ],
)
def test_a_network_that_is_none_is_refused_before_anything_is_timed(arguments, message, capsys):
    assert _run(["edits", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_table_that_is_not_there_is_refused_in_plain_words(tmp_path):
    with pytest.raises(ConfigError, match=r"no\.json: cannot be read \(No such file or d\w+\)$"):
        load_kept(Savings, tmp_path / "no.json")
