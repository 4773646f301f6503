"""Which networks shall learn: for each latency the edits that reach it and cost the least.

What is expected of each edit alone is added up. So each network that is chosen is built once, and
what it takes and answers is measured; one that misses its time is chosen anew, with another target.
Many edits cost more together than sums say, and a smaller input needs fewer of them. So a network
is chosen for each scaling, and what its edits cost together tells which of these shall learn.
"""

import dataclasses
from collections.abc import Iterable

from edgecat.errors import ConfigError
from edgecat.optimize.choice import Choice, EditSet, Scaling, Space, combine_parts, list_sets
from edgecat.optimize.costs import Cost, CostMeter, Costs
from edgecat.optimize.expected import expect_cost, expect_joint_cost, expect_savings
from edgecat.optimize.savings import Saving, Savings, measure_saving
from edgecat.optimize.space import find_pairs, group_edits
from edgecat.optimize.timing import Stopwatch
from edgecat.progress import Progress
from edgecat.train.edit import EDITS, kind_of

# Times that a network is chosen: predictions err by some percent, and of a target that was
# corrected by that they err by less.
_MAX_TRIES = 3


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A network that was chosen to learn.

    Attributes:
        name: Of its run in the search's folder: "x2.00" for two times quicker.
        edits: Of the network that the search started from, in the order in which they are made.
        target_ratio: Time that it may take, by the time without edits.
        predicted_ratio: Time that it takes: what each edit is expected to save, added up.
        predicted_cost_nats: What they are expected to cost together once it has learned.
        cost: What all of them cost together, before it learns.
        saving: Time that it takes, measured; None where that is another machine's.
    """

    name: str
    edits: tuple[str, ...]
    target_ratio: float
    predicted_ratio: float
    predicted_cost_nats: float
    cost: Cost
    saving: Saving | None


@dataclasses.dataclass(frozen=True)
class Candidates:
    """The networks that were chosen so far.

    Attributes:
        networks: By name.
        left_out: By name, why there is no such network.
    """

    networks: dict[str, Candidate] = dataclasses.field(default_factory=dict)
    left_out: dict[str, str] = dataclasses.field(default_factory=dict)

    def lack(self, name: str) -> bool:
        """Return whether nobody has chosen a network of this name."""
        return name not in self.networks and name not in self.left_out


@dataclasses.dataclass(frozen=True)
class Menu:
    """What can be made of a network.

    Attributes:
        parts: Of each part, from the input on, all sets of edits; nothing is one of them.
        scalings: Edits that make all of it quicker, of which one is made; nothing is one of them.
    """

    parts: list[list[EditSet]]
    scalings: list[Scaling]

    def combine(self) -> Space:
        """Return the networks than which no other saves as much and costs less."""
        return Space(combine_parts(self.parts), self.scalings)


def build_menu(savings: Savings, costs: Costs, progress: Progress) -> Menu:
    """Return what can be made of a network.

    Args:
        savings: What each edit saves.
        costs: What each costs; others are not made.
        progress: Told of each part of the network.
    """
    scalings, alone, saved = [Scaling()], {}, expect_savings(savings)
    for edit, cost in costs.edits.items():
        nats = expect_cost(edit, cost)
        if EDITS.load(kind_of(edit)).scales_all:
            scalings.append(Scaling((edit,), 1 - saved[edit], nats))
        else:
            alone[edit] = EditSet((edit,), saved[edit], nats)
    groups, parts = group_edits(alone), []
    with progress.phase("edits that go together", len(groups)) as step:
        for group in groups:
            # The one that changes least is made first, on a network that is as it was.
            ordered = sorted((alone[edit] for edit in group), key=lambda one: one.cost_nats)
            parts.append(list_sets(ordered, find_pairs(savings.arch, group)))
            step()
    return Menu(parts, scalings)


@dataclasses.dataclass(frozen=True)
class Gauge:
    """Measures networks with several edits.

    Attributes:
        meter: What these cost.
        costs: What each edit costs alone.
        stopwatch: What times them; None where no time of this machine's counts.
    """

    meter: CostMeter
    costs: Costs
    stopwatch: Stopwatch | None

    def time(self, edits: tuple[str, ...]) -> Saving | None:
        """Return the time with edits by the time without."""
        return measure_saving(self.stopwatch, edits) if self.stopwatch else None

    def cost(self, edits: tuple[str, ...]) -> Cost:
        """Return what edits cost together.

        Raises:
            ConfigError: They do not go together.
        """
        [(_, cost)] = self.meter.measure([edits])
        if isinstance(cost, ConfigError):
            raise cost
        return cost


def find_candidate(
    name: str, target_ratio: float, space: Space, gauge: Gauge, progress: Progress
) -> Candidate | None:
    """Choose a network and measure it.

    Args:
        name: Of its run.
        target_ratio: Time that it may take, by the time without edits.
        space: Of all networks.
        gauge: What measures it.
        progress: Told of each scaling.

    Returns:
        Of the networks chosen for each scaling, the one that is quick enough and whose edits cost
        the least together, or else the quickest; None if none is predicted to be as quick.

    Raises:
        ConfigError: In no scaling do the edits go together.
    """
    found: list[Candidate] = []
    refused: list[ConfigError] = []
    parts = _list_promising(space.split(), target_ratio)
    with progress.phase(f"networks for {name}", len(parts)) as step:
        for part, least_nats in parts:
            # Together edits hardly ever cost less than the sum of what each is expected to.
            if all(_rank(one) > (0.0, least_nats) for one in found):
                try:
                    choice, saving = choose_quick(target_ratio, part, gauge)
                    found.append(measure_candidate(name, target_ratio, choice, saving, gauge))
                except ConfigError as error:
                    refused.append(error)
            step()
    if refused and not found:
        raise refused[0]
    return min(found, key=_rank, default=None)


def _list_promising(parts: Iterable[Space], target_ratio: float) -> list[tuple[Space, float]]:
    """Return the spaces in which a network is predicted to be so quick, and what it costs there.

    Those with the cheapest first.
    """
    choices = [(part, part.choose(target_ratio)) for part in parts]
    promising = [(part, one.cost_nats) for part, one in choices if one is not None]
    return sorted(promising, key=lambda pair: pair[1])


def choose_quick(target_ratio: float, space: Space, gauge: Gauge) -> tuple[Choice, Saving | None]:
    """Choose a network by what each of its edits is expected to cost, added up, and time it.

    Args:
        target_ratio: Time that it may take, by the time without edits.
        space: In which a network is predicted to be as quick.
        gauge: What times it.

    Returns:
        One that proves slower or quicker than predicted is chosen anew, some times; then it is the
        cheapest that is as quick, or the quickest.

    Raises:
        ConfigError: Its edits do not go together.
    """
    aim_ratio, tried = target_ratio, dict[Choice, Saving | None]()
    while len(tried) < _MAX_TRIES:
        choice = space.choose(aim_ratio)
        if choice is None or not choice.edits or choice in tried:
            break
        saving = tried[choice] = gauge.time(choice.edits)
        if saving is None or _holds(saving, target_ratio):
            break
        aim_ratio = choice.ratio * target_ratio / saving.ratio
    best = min(tried, key=lambda one: _rank_time(tried[one], target_ratio, one.cost_nats))
    return best, tried[best]


def _rank(one: Candidate) -> tuple[float, float]:
    return _rank_time(one.saving, one.target_ratio, one.predicted_cost_nats)


def _rank_time(saving: Saving | None, target_ratio: float, cost_nats: float) -> tuple[float, float]:
    """Return what is least of the cheapest network that is quick enough; else of the quickest.

    Args:
        saving: Its time, measured; one that nobody timed may be quick enough.
        target_ratio: Time that it may take.
        cost_nats: What it is expected to cost.
    """
    if saving is None or saving.interval_ratio[0] <= target_ratio:
        return 0.0, cost_nats
    return saving.ratio, cost_nats


def _holds(saving: Saving, target_ratio: float) -> bool:
    """Return whether a measured time may be the one that was wanted."""
    low, high = saving.interval_ratio
    return low <= target_ratio <= high


def measure_candidate(
    name: str, target_ratio: float, choice: Choice, saving: Saving | None, gauge: Gauge
) -> Candidate:
    """Measure what the edits of a network cost together.

    Args:
        name: Of its run.
        target_ratio: Time that it may take, by the time without edits.
        choice: Its edits.
        saving: Time that it takes.
        gauge: What measures it.

    Raises:
        ConfigError: Its edits do not go together.
    """
    cost = gauge.cost(choice.edits)
    return Candidate(
        name=name,
        edits=choice.edits,
        target_ratio=target_ratio,
        predicted_ratio=choice.ratio,
        predicted_cost_nats=expect_joint_cost(choice.edits, gauge.costs, cost),
        cost=cost,
        saving=saving,
    )
