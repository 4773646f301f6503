"""The choice of edits: the cheapest that reach a target, as trying all of them finds."""

import itertools

import numpy as np
import pytest

from edgecat.optimize.choice import EditSet, Scaling, Space, combine_parts, list_sets

# Of each part what is saved is told to a two-thousandth.
ROUNDING = 1 / 2000

# What an edit that changes nothing may cost.
FREE_NATS = 1e-6


def draw_space(rng, num_parts=5):
    parts = [
        [EditSet()]
        + [
            EditSet((f"{part}-{number}",), rng.uniform(0.01, 0.15), rng.exponential())
            for number in range(rng.integers(1, 5))
        ]
        for part in range(num_parts)
    ]
    scalings = [Scaling(), Scaling(("small",), 0.7, 1.5), Scaling(("smaller",), 0.5, 3.0)]
    return parts, scalings


def try_all(parts, scalings, target_ratio):
    """The least cost of all sets that reach a target."""
    costs = [
        sum(one.cost_nats for one in chosen) + scaling.cost_nats
        for chosen in itertools.product(*parts)
        for scaling in scalings
        if scaling.ratio * (1 - sum(one.saved_ratio for one in chosen)) <= target_ratio
    ]
    return min(costs, default=None)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("target_ratio", [0.9, 0.7, 0.5, 0.3, 0.05])
def test_no_set_that_reaches_the_target_is_cheaper(seed, target_ratio):
    parts, scalings = draw_space(np.random.default_rng(seed))
    chosen = Space(combine_parts(parts), scalings).choose(target_ratio)
    best = try_all(parts, scalings, target_ratio)
    if best is None:
        assert chosen is None
        return
    assert chosen.ratio <= target_ratio
    assert best <= chosen.cost_nats + FREE_NATS
    slack = len(parts) * ROUNDING
    assert chosen.cost_nats <= try_all(parts, scalings, target_ratio - slack) + FREE_NATS


def test_a_target_that_needs_nothing_gets_nothing():
    parts, scalings = draw_space(np.random.default_rng(0))
    assert Space(combine_parts(parts), scalings).choose(1.0).edits == ()


def test_what_costs_nothing_is_made_although_the_target_does_not_need_it():
    parts = [
        [EditSet(), EditSet(("free",), 0.02, 1e-13)],
        [EditSet(), EditSet(("dear",), 0.2, 1.0)],
        [EditSet(), EditSet(("cheap",), 0.02, 0.01)],
    ]
    chosen = Space(combine_parts(parts), [Scaling()]).choose(0.81)
    assert chosen.edits == ("free", "dear")


def test_the_quickest_makes_the_most_of_each_part():
    parts, scalings = draw_space(np.random.default_rng(0))
    most = sum(max(one.saved_ratio for one in sets) for sets in parts)
    quickest = Space(combine_parts(parts), scalings).find_quickest()
    assert quickest.ratio == pytest.approx(0.5 * (1 - most), abs=len(parts) * ROUNDING)
    assert quickest.edits[-1] == "smaller"


def test_a_part_has_only_sets_of_edits_that_go_together():
    alone = [EditSet((name,), 0.1, 1.0) for name in ("gate", "wide", "narrow", "drop")]
    pairs = {frozenset(("gate", "wide")), frozenset(("gate", "narrow"))}
    sets = list_sets(alone, pairs)
    assert {one.edits for one in sets} == {
        (), ("gate",), ("wide",), ("narrow",), ("drop",), ("gate", "wide"), ("gate", "narrow"),
    }  # fmt: skip
    both = next(one for one in sets if len(one.edits) == 2)
    assert (both.saved_ratio, both.cost_nats) == (0.2, 2.0)


def test_sets_that_a_clock_cannot_tell_do_not_pile_up():
    rng = np.random.default_rng(1)
    parts, scalings = draw_space(rng, num_parts=60)
    assert len(combine_parts(parts)) <= 1 / ROUNDING * 60 * 0.15
    assert Space(combine_parts(parts), scalings).choose(0.2) is not None
