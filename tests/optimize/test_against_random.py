"""What a search is compared with: random networks of the same time, by the area of fronts."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch (edgecat[train])")

from benchmarks.optimize.search_against_random import (
    choose_side,
    draw_choice,
    measure_pooled,
    measure_volume,
    pool_losses,
    prepare_believer,
)
from edgecat.optimize.candidate import Menu
from edgecat.optimize.choice import EditSet, Scaling
from edgecat.optimize.expected import expect_savings
from edgecat.optimize.front import Front, Row
from edgecat.optimize.job import COSTS, RECORD, SAVINGS, SearchJob
from edgecat.optimize.kept import load_kept, save_kept
from edgecat.optimize.savings import Saving, Savings
from edgecat.scores.compare import compare_accuracy


@pytest.mark.parametrize(
    ("points", "volume"),
    [
        ([], 0.0),
        ([(0.5, 0.9)], 0.5 * 0.1),
        ([(0.5, 0.9), (0.6, 0.9)], 0.5 * 0.1),  # beaten
        ([(0.5, 0.85), (0.8, 0.9)], 0.3 * 0.05 + 0.2 * 0.1),
        ([(0.5, 0.8), (0.4, 0.7)], 0.0),  # lost too much
        ([(1.1, 0.95)], 0.0),  # slower
    ],
)
def test_the_hypervolume_is_the_area_that_a_front_covers(points, volume):
    assert measure_volume(points, 0.8) == pytest.approx(volume)


def test_random_networks_take_the_time_that_was_asked_for_and_differ():
    parts = [[EditSet(), EditSet((f"e{n}",), 0.04, 1.0)] for n in range(10)]
    menu = Menu(parts, [Scaling(), Scaling(("small",), 0.8, 1.0)])
    rng = np.random.default_rng(0)
    drawn = [draw_choice(menu, 0.7, rng) for _ in range(20)]
    assert all(abs(one.ratio - 0.7) <= 0.015 for one in drawn)
    assert all(one.cost_nats == len(one.edits) for one in drawn)
    assert len({one.edits for one in drawn}) > 10


def test_a_time_that_no_random_network_takes_ends_the_benchmark():
    menu = Menu([[EditSet(), EditSet(("e",), 0.1, 1.0)]], [Scaling()])
    with pytest.raises(SystemExit, match=r"takes 0\.50 times the time"):
        draw_choice(menu, 0.5, np.random.default_rng(0))


def front_of(*rows):
    return Front("small", "fp32", "cpu", 1.0, 1.0, rows)


def row(edits, ratio, num_lost):
    """A network that loses so many of 10 photos, one of which it gains; x2.0 was wanted."""
    right, wrong = np.eye(2, dtype=np.float32)
    reference = np.array([wrong] + 9 * [right])
    other = np.array(num_lost * [wrong] + (10 - num_lost) * [right])[::-1]
    change = compare_accuracy(reference, other, np.zeros(10, dtype=np.int64))
    return Row("x2.0", "fp32", edits, 0.5, ratio, None, (0.0, 1.0), change)


def test_losses_of_one_speedup_are_pooled_over_the_seeds():
    seeds = [front_of(row(("e",), 0.5, 2), row((), 1.0, 0)), front_of(row(("f",), 0.6, 4))]
    (pooled,) = pool_losses(seeds, [{"x2.0": 0.1}, {"x2.0": 0.3}])
    assert pooled["divergence_nats"] == pytest.approx(0.2)
    assert pooled["speedup"] == 2.0
    assert pooled["latency_ratio"] == pytest.approx(0.55)
    assert pooled["num_images"] == 20
    assert pooled["drop_pp"] == pytest.approx(100 * (2 - 1 + 4 - 1) / 20)
    low, high = pooled["drop_interval_pp"]
    assert low < pooled["drop_pp"] < high
    assert measure_pooled([pooled]) == pytest.approx(0.0)  # lost more than anybody wants
    assert measure_pooled([{**pooled, "drop_pp": 2.0}]) == pytest.approx(0.45 * 0.08)


def test_the_plain_control_takes_the_largest_input_that_is_quick_enough():
    scalings = [Scaling(), *(Scaling((f"side:{px}",), px / 224, 1.0) for px in (128, 160, 208))]
    assert choose_side(Menu([], scalings), 0.75).edits == ("side:160",)
    with pytest.raises(SystemExit, match=r"no input takes 0\.50 times the time"):
        choose_side(Menu([], scalings), 0.5)


def test_a_believer_takes_savings_for_what_was_measured(tmp_path):
    search, control = (SearchJob(tmp_path, tmp_path / name) for name in ("search", "control"))
    search.out.mkdir()
    saved = {"no-se:4": 0.03, "no-se:5": 0.01}
    edits = {edit: Saving(1 - one, (0.9 - one, 1.1 - one)) for edit, one in saved.items()}
    savings = Savings("mobilenet_v3_small", "onnxruntime-fp32", 1.0, edits, "", {})
    save_kept(savings, search.out / SAVINGS)
    for name in (RECORD, COSTS):
        (search.out / name).write_text(name)
    prepare_believer(search, control)
    assert expect_savings(load_kept(Savings, search.out / SAVINGS)) != pytest.approx(saved)
    assert expect_savings(load_kept(Savings, control.out / SAVINGS)) == pytest.approx(saved)
    assert all((control.out / name).read_text() == name for name in (RECORD, COSTS))
