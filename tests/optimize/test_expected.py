"""What edits are expected to save and cost: luck does not count."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch (edgecat[train])")

from benchmarks.optimize.lasting_costs import choose_edits, summarize
from benchmarks.results import load_results
from edgecat.optimize.costs import Cost, Costs
from edgecat.optimize.expected import (
    expect_cost,
    expect_joint_cost,
    expect_savings,
    list_quicker,
)
from edgecat.optimize.savings import Saving, Savings
from edgecat.train.edit import EDITS, kind_of


def measure(saved, margin):
    """A table of what edits save, each known within so much."""
    edits = {
        edit: Saving(1 - value, (1 - value - margin, 1 - value + margin))
        for edit, value in saved.items()
    }
    return Savings("mobilenet_v3_small", "onnxruntime-fp32", 1.0, edits, "", {})


def test_what_a_clock_is_sure_of_is_believed():
    saved = {"relu:0": -0.02, "no-se:4": 0.03, "no-se:5": 0.01}
    assert expect_savings(measure(saved, 0.0)) == pytest.approx(saved)


def test_edits_that_differ_by_no_more_than_noise_count_as_the_mean_of_their_kind():
    saved = {"no-se:4": 0.03, "no-se:5": 0.01, "side:192": 0.2, "side:160": 0.4}
    expected = expect_savings(measure(saved, 0.05))
    assert expected["no-se:4"] == expected["no-se:5"] == pytest.approx(0.02)
    assert expected["side:160"] == pytest.approx(0.4, abs=0.01)  # that is no noise


def test_one_that_nothing_is_like_counts_as_measured():
    assert expect_savings(measure({"no-hidden-head": 0.08}, 0.5)) == {
        "no-hidden-head": pytest.approx(0.08)
    }


def test_the_luckiest_of_many_save_what_is_expected_of_them_and_not_what_was_measured():
    rng, margin = np.random.default_rng(0), 0.02
    true = {f"narrow:{n}=16": value for n, value in enumerate(rng.normal(0.03, 0.01, 200))}
    measured = {edit: value + rng.normal(0, margin / 1.96) for edit, value in true.items()}
    expected = expect_savings(measure(measured, margin))
    lucky = sorted(measured, key=measured.__getitem__)[-50:]

    def add(saved):
        return sum(saved[edit] for edit in lucky)

    assert add(measured) - add(true) > 5 * abs(add(expected) - add(true))


def test_what_is_expected_to_save_nothing_is_not_tried():
    assert list_quicker(measure({"no-se:4": 0.03, "relu:0": -0.02, "no-se": 0.2}, 0.0)) == [
        "no-se:4"
    ]


@pytest.mark.parametrize("edit", ["drop-block:5", "side:192"])
def test_of_what_an_edit_costs_at_once_the_share_of_its_kind_is_expected_to_be_left(edit):
    share = EDITS.load(kind_of(edit)).lasting_ratio
    assert expect_cost(edit, Cost(0.5, 0.9, 0.8)) == pytest.approx(0.5 * share)


def test_what_edits_cost_more_together_than_alone_is_expected_to_be_left_alike():
    alone = Costs({"drop-block:5": Cost(0.5, 0.9, 0.8), "side:192": Cost(0.1, 0.9, 0.8)})
    each = sum(expect_cost(edit, cost) for edit, cost in alone.edits.items())
    together = Cost(2 * 0.6, 0.7, 0.6)
    assert expect_joint_cost(tuple(alone.edits), alone, together) == pytest.approx(2 * each)


def test_edits_that_cost_nothing_leave_nothing():
    nothing = Cost(0.0, 1.0, 0.8)
    assert expect_joint_cost(("no-se:1",), Costs({"no-se:1": nothing}), nothing) == 0


def test_the_shares_are_those_that_were_measured():
    [all_kinds], [side] = load_results("lasting_costs"), load_results("lasting_costs_side")
    measured = all_kinds["kinds"] | side["kinds"]
    assert {name: edit.lasting_ratio for name, edit in EDITS.load_all().items()} == {
        kind: round(one["lasting_ratio"], 2) for kind, one in measured.items()
    }


def test_kinds_are_told_apart_by_networks_that_have_the_same_cost_of_each():
    costs = {
        "no-se:4": 0.1, "no-se:5": 0.05, "narrow:4=48": 0.2, "narrow:4=64": 0.1,
        "narrow:5=128": 0.25, "narrow:6=128": 0.3,
        "side:128": 0.5, "side:176": 0.2, "side:192": 0.1, "side:240": 0.001,
    }  # fmt: skip
    assert choose_edits(costs) == {
        "no-se": ("no-se:4", "no-se:5"),
        "narrow": ("narrow:4=48", "narrow:5=128"),  # the dearest of each block, until it is enough
        "side": ("side:176",),
    }


def test_what_is_left_is_counted_beyond_what_learning_alone_moves():
    runs = [
        {"unedited_nats": 0.05, "kinds": [{"kind": "side", "alone_nats": 0.2, "after_nats": 0.15}]},
        {"unedited_nats": 0.04, "kinds": [{"kind": "side", "alone_nats": 0.2, "after_nats": 0.1}]},
    ]
    assert summarize(runs)["side"] == {
        "alone_nats": pytest.approx(0.2),
        "left_nats": pytest.approx(0.08),
        "lasting_ratio": pytest.approx(0.4),
        "of_runs": pytest.approx([0.5, 0.3]),
    }
