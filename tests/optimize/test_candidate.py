"""Which network is chosen for a latency: by what its edits cost together, of each scaling one."""

import dataclasses

import pytest

pytest.importorskip("torch", reason="needs torch (edgecat[train])")

from benchmarks.optimize.search_by_sums import choose_by_sum
from edgecat.errors import ConfigError
from edgecat.optimize.candidate import find_candidate
from edgecat.optimize.choice import EditSet, Scaling, Space, combine_parts
from edgecat.optimize.costs import Cost, Costs
from edgecat.optimize.expected import expect_cost
from edgecat.optimize.savings import Saving
from edgecat.progress import Silent

SMALLER = Scaling(("side:160",), 0.6, 0.09)
ALONE = Costs(
    {
        "no-hidden-head": Cost(0.1, 0.9, 0.8),
        "drop-block:5": Cost(0.2, 0.9, 0.8),
        "side:160": Cost(0.2, 0.9, 0.8),
    }
)


@pytest.fixture
def space():
    """Half of the time is saved by two edits of blocks, or by one and a smaller input."""
    parts = [
        [EditSet(), EditSet((edit,), 0.25, expect_cost(edit, ALONE.edits[edit]))]
        for edit in ("no-hidden-head", "drop-block:5")
    ]
    return Space(combine_parts(parts), [Scaling(), SMALLER])


@dataclasses.dataclass
class Told:
    """A gauge that says of edits what a test says, and keeps which it was asked of."""

    nats: dict
    times: dict = dataclasses.field(default_factory=dict)
    refused: tuple = ()
    costs: Costs = ALONE
    asked: list = dataclasses.field(default_factory=list)

    def time(self, edits):
        ratio = self.times.get(edits, 0.5)
        return Saving(ratio, (ratio - 0.01, ratio + 0.01))

    def cost(self, edits):
        self.asked.append(edits)
        if edits in self.refused:
            raise ConfigError(f"edits {edits} do not go together")
        return Cost(self.nats[edits], 0.9, 0.8)


BLOCKS = ("no-hidden-head", "drop-block:5")
MIXED = ("drop-block:5", "side:160")


def find(gauge, space, target_ratio=0.5):
    return find_candidate("x2.00", target_ratio, space, gauge, Silent())


def test_edits_that_cost_together_what_each_costs_are_taken_without_asking_of_dearer_ones(space):
    gauge = Told({BLOCKS: 0.3, MIXED: 0.4})
    assert find(gauge, space).edits == BLOCKS
    assert gauge.asked == [BLOCKS]


def test_edits_that_cost_far_more_together_give_way_to_a_smaller_input(space):
    gauge = Told({BLOCKS: 1.8, MIXED: 0.4})
    found = find(gauge, space)
    assert found.edits == MIXED
    lasting_nats = sum(expect_cost(edit, ALONE.edits[edit]) for edit in MIXED)
    assert found.predicted_cost_nats == pytest.approx(lasting_nats)


def test_what_proves_too_slow_gives_way_to_what_is_quick_enough(space):
    gauge = Told({BLOCKS: 0.3, MIXED: 4.0}, times={BLOCKS: 0.6})
    assert find(gauge, space).edits == MIXED


def test_if_none_is_quick_enough_the_quickest_is_taken(space):
    gauge = Told({BLOCKS: 0.3, MIXED: 0.4}, times={BLOCKS: 0.7, MIXED: 0.6})
    gauge.times[("no-hidden-head", "drop-block:5", "side:160")] = 0.58
    gauge.nats[("no-hidden-head", "drop-block:5", "side:160")] = 9.0
    assert find(gauge, space).saving.ratio == 0.58


def test_edits_that_do_not_go_together_leave_the_other_scalings(space):
    gauge = Told({MIXED: 0.4}, refused=(BLOCKS,))
    assert find(gauge, space).edits == MIXED
    gauge = Told({}, refused=(BLOCKS, MIXED))
    with pytest.raises(ConfigError, match="do not go together"):
        find(gauge, space)


def test_what_no_edits_reach_is_none(space):
    assert find(Told({}), space, 0.1) is None


def test_the_control_goes_by_what_each_edit_costs_alone(space):
    gauge = Told({BLOCKS: 1.8, MIXED: 0.4})
    assert choose_by_sum(find(gauge, space), space, gauge).edits == BLOCKS
