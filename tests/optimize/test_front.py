"""What a search tells at its end: what nothing beats, what was not reached, and what to take."""

import dataclasses

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch (edgecat[train])")

from edgecat.optimize.front import PARENT, Front, Row, describe_front
from edgecat.optimize.plots import plot_front
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
    return Row(name, edits, target_ratio, ratio, interval, (0.5, 1.0), change(num_right), **changes)


FRONT = Front(
    arch="mobilenet_v3_small",
    variant="onnxruntime-fp32",
    cpu="Some Processor",
    latency_ms=1.5,
    max_drop_pp=3.0,
    recommended="x1.50",
    rows=(
        row("x3.00", 0.45, 32, target_ratio=1 / 3, is_on_front=True),
        row("x1.50", 0.66, 39, target_ratio=1 / 1.5, is_on_front=True),
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
    assert lines[5] == "* as it is  1.00 (0.99 to 1.01), 100.0 % (50.0 to 100.0)"
    assert lines[6:] == [
        "x3.00 was not reached; the quickest seen is x3.00: 0.45 times the time, top-1 80.0 %",
        "take x1.50: the quickest that lost at most 3 pp",
    ]


def test_where_all_lost_too_much_it_says_what_to_try():
    lines = describe_front(dataclasses.replace(FRONT, recommended=None, max_drop_pp=0.5))
    assert lines[-1].startswith("none lost at most 0.5 pp: allow more with --max-drop, try less")


def test_the_picture_names_all_networks_and_is_the_same_each_time(tmp_path):
    plot_front(FRONT, tmp_path / "a.svg")
    plot_front(FRONT, tmp_path / "b.svg")
    drawn = (tmp_path / "a.svg").read_text()
    assert drawn == (tmp_path / "b.svg").read_text()
    for one in FRONT.rows:
        assert f">{one.name}<" in drawn
