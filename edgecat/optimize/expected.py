"""What an edit is expected to save and to cost, of what was measured of it.

Measured is each edit alone, for seconds, and before the network learns on. Of many such figures a
search takes those that erred in their favour, unless it is told by how much they err.
"""

import statistics
from collections.abc import Sequence

from edgecat.optimize.costs import Cost, Costs
from edgecat.optimize.savings import Saving, Savings
from edgecat.optimize.space import group_edits
from edgecat.scores.metrics import Z95
from edgecat.train.edit import EDITS, kind_of


def expect_savings(savings: Savings) -> dict[str, float]:
    """Return the share of the network's time that each edit is expected to save, below 1.

    What was measured is moved towards the mean of its kind: the further, the less edits of that
    kind differ by more than the clock's noise. So a kind that a noisy clock cannot tell apart
    counts as its mean, and none is taken for the luck that it had.
    Source: Efron & Morris, "Data Analysis Using Stein's Estimator and its Generalizations",
    J. Am. Stat. Assoc. 70 (1975).

    Args:
        savings: As measured.

    Returns:
        By edit, each of one part of the network, from the input on; below 0 it is slower.
    """
    edits = [edit for group in group_edits(savings.edits) for edit in group]
    expected: dict[str, float] = {}
    for kind in dict.fromkeys(map(kind_of, edits)):
        alike = [edit for edit in edits if kind_of(edit) == kind]
        expected |= dict(zip(alike, _shrink([savings.edits[one] for one in alike]), strict=True))
    return {edit: expected[edit] for edit in edits}


def list_quicker(savings: Savings) -> list[str]:
    """Return the edits that are expected to make a network quicker, from the input on."""
    return [edit for edit, saved in expect_savings(savings).items() if saved > 0]


def expect_cost(edit: str, cost: Cost) -> float:
    """Return what an edit is expected to cost once the network has learned on, nats.

    Args:
        edit: As `edgecat.train.edit.apply_edit` knows it.
        cost: What it costs at once.
    """
    return EDITS.load(kind_of(edit)).lasting_ratio * cost.divergence_nats


def expect_joint_cost(edits: Sequence[str], costs: Costs, together: Cost) -> float:
    """Return what edits are expected to cost together once the network has learned on, nats.

    Of what they cost together at once the share that is expected to last of what each costs alone.
    That ranks networks better by what is left of it than what is expected of each, added up, which
    knows nothing of edits that cost more together. Source: benchmarks/optimize/expected_costs.py.

    Args:
        edits: Of the network, as `edgecat.train.edit.apply_edit` knows them.
        costs: What each costs alone.
        together: What all of them cost at once.
    """
    at_once_nats = sum(costs.edits[edit].divergence_nats for edit in edits)
    lasting_nats = sum(expect_cost(edit, costs.edits[edit]) for edit in edits)
    return lasting_nats * together.divergence_nats / at_once_nats if at_once_nats else 0.0


def _shrink(measured: list[Saving]) -> list[float]:
    """Return what edits of a kind save, moved towards their mean by what noise is of their spread.

    Args:
        measured: Of each; a single one stays what it is.
    """
    saved = [1 - one.ratio for one in measured]
    if len(saved) < 2:
        return saved
    noises = [_variance_of(one) for one in measured]
    middle = statistics.mean(saved)
    spread = max(0.0, statistics.variance(saved) - statistics.mean(noises))
    return [
        middle + (value - middle) * (spread / (spread + noise) if noise else 1.0)
        for value, noise in zip(saved, noises, strict=True)
    ]


def _variance_of(measured: Saving) -> float:
    low, high = measured.interval_ratio
    return ((high - low) / 2 / Z95) ** 2
