"""What a search tells at its end: what nothing beats, what was not reached, and what to take."""

import dataclasses
import re

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch (edgecat[train])")

from edgecat.optimize.front import Front, Row, build_front, describe_front
from edgecat.optimize.job import PARENT
from edgecat.optimize.plots import plot_front
from edgecat.optimize.savings import Savings
from edgecat.scores.compare import compare_accuracy

NUM = 40


def change(num_right):
    """A network with so many right answers against one that has all."""
    targets = np.zeros(NUM, np.int64)
    answers = np.where(np.arange(NUM) < num_right, 0, 1)
    logits = [np.eye(2, dtype=np.float32)[each] for each in (targets, answers)]
    return compare_accuracy(*logits, targets)


def row(name, ratio, num_right, target_ratio=1.0, **changes):
    edits = () if name == PARENT else ("no-se", "side:160")
    interval = (ratio - 0.01, ratio + 0.01)
    variant = changes.pop("variant", "onnxruntime-fp32")
    top1 = (0.5, 1.0)
    return Row(
        name, variant, edits, target_ratio, ratio, interval, top1, change(num_right), **changes
    )


FRONT = Front(
    arch="mobilenet_v3_small",
    variant="onnxruntime-fp32",
    cpu="Some Processor",
    latency_ms=1.5,
    max_drop_pp=3.0,
    rows=(
        row("x3.00", 0.45, 32, target_ratio=1 / 3, is_on_front=True),
        row("x1.50", 0.66, 39, target_ratio=1 / 1.5, is_on_front=True, is_recommended=True),
        row("x1.25", 0.79, 38, target_ratio=1 / 1.25),
        row(PARENT, 1.0, 40, is_on_front=True),
    ),
)


def test_the_end_tells_each_network_what_was_not_reached_and_what_to_take():
    lines = describe_front(FRONT)
    assert lines[0] == (
        "mobilenet_v3_small, onnxruntime-fp32, 1 thread, Some Processor: 1.50 ms; 40 validation "
        "photos"
    )
    assert lines[2].startswith("* x3.00     0.45 (0.44 to 0.46), 80.0 % (50.0 to 100.0), lost 20.0")
    assert lines[2].endswith("80.0 % of answers as before: no-se side:160")
    assert lines[4].startswith("  x1.25 ")
    assert lines[5] == "* as-it-is  1.00 (0.99 to 1.01), 100.0 % (50.0 to 100.0)"
    assert lines[6:] == [
        "x3.00 was not reached; the quickest seen is x3.00: 0.45 times the time, top-1 80.0 %",
        "take x1.50: the quickest that lost at most 3 pp",
    ]


def test_what_bf16_loses_is_told_as_unknown_until_it_is_exported():
    told = "top-1 is before openvino-bf16 rounds: --export measures what that loses"
    rows = tuple(dataclasses.replace(one, variant="openvino-bf16") for one in FRONT.rows)
    front = dataclasses.replace(FRONT, variant="openvino-bf16", rows=rows)
    assert told in describe_front(front)
    exported = dataclasses.replace(front, rows=(*rows, row(PARENT, 0.9, 40)))
    assert told not in describe_front(exported)
    assert told not in describe_front(FRONT)


def test_one_photo_is_never_too_much_and_named_unless_a_gain_is_asked_for():
    savings = Savings(FRONT.arch, FRONT.variant, FRONT.latency_ms, {}, FRONT.cpu, {})
    rows = [row(PARENT, 1.0, 40), row("x2.00", 0.5, 39)]
    front = build_front(savings, rows, 1.0)
    assert front.recommended.name == "x2.00"  # 2.5 pp, of 40 photos
    assert describe_front(front)[-1] == "take x2.00: the quickest that lost at most one photo"
    assert build_front(savings, rows, -0.5).recommended is None


def test_where_all_lost_too_much_it_says_what_to_try():
    rows = tuple(dataclasses.replace(row, is_recommended=False) for row in FRONT.rows)
    lines = describe_front(dataclasses.replace(FRONT, rows=rows, max_drop_pp=0.5))
    assert lines[-1].startswith(
        "none that is quicker lost at most 0.5 pp: allow more with --max-drop, try less"
    )


def test_the_picture_names_all_networks_and_is_the_same_each_time(tmp_path):
    plot_front(FRONT, tmp_path / "a.svg")
    plot_front(FRONT, tmp_path / "b.svg")
    drawn = (tmp_path / "a.svg").read_text()
    assert drawn == (tmp_path / "b.svg").read_text()
    for one in FRONT.rows:
        assert f">{one.name}<" in drawn
    # The slowest one's name ends at its point, and so within the picture.
    assert re.search(f"text-anchor: end[^>]*>{PARENT}<", drawn)


def test_where_networks_have_variants_each_row_names_its_own_and_one_is_taken():
    quick = row("x1.50", 0.4, 39, target_ratio=1 / 1.5, variant="openvino-int8", is_on_front=True)
    own = row(PARENT, 0.8, 40, variant="openvino-int8")
    rows = (
        dataclasses.replace(quick, is_recommended=True),
        *(dataclasses.replace(one, is_recommended=False) for one in FRONT.rows),
        own,
    )
    front = dataclasses.replace(FRONT, rows=rows)
    lines = describe_front(front)
    taken = "* x1.50 openvino-int8 0.40 (0.39 to 0.41), 97.5 %"
    assert lines[2].split()[: len(taken.split())] == taken.split()
    assert lines[-2].startswith("x3.00 was not reached; the quickest seen is x1.50 openvino-int8: ")
    assert lines[-1] == "take x1.50 openvino-int8: the quickest that lost at most 3 pp"
    assert [line for line in lines if line.startswith("  as-it-is openvino-int8 ")]


def test_what_there_was_is_not_recommended_but_another_variant_of_it_may_be():
    savings = Savings(FRONT.arch, FRONT.variant, FRONT.latency_ms, {}, FRONT.cpu, {})
    plain, other = row(PARENT, 1.0, 40), row(PARENT, 0.6, 40, variant="openvino-int8")
    assert build_front(savings, [plain], 1.0).recommended is None
    found = build_front(savings, [plain, other, row("x2.00", 0.5, 30)], 1.0)
    assert found.recommended.variant == "openvino-int8"
    assert [one.is_on_front for one in found.rows] == [True, True, False]


def test_of_many_variants_only_the_best_are_named_in_the_picture(tmp_path):
    beaten = row("x1.25", 0.9, 30, variant="openvino-int8")
    plot_front(dataclasses.replace(FRONT, rows=(*FRONT.rows, beaten)), tmp_path / "a.svg")
    drawn = (tmp_path / "a.svg").read_text()
    assert ">x1.50 onnxruntime-fp32<" in drawn
    assert ">x1.25 openvino-int8<" not in drawn
