"""Which edits to make: those that save enough and together cost the least.

What edits save adds up, and so, nearly, does what they cost; of a part of the network (a block) one
set of edits can be made. That is the multiple-choice knapsack problem, solved by dynamic
programming over what is saved. Source: Kellerer, Pferschy & Pisinger, "Knapsack Problems" (2004),
section 11.5.
"""

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Sequence

# Of two sets that save the same to a two-thousandth of the network's time the cheaper one is gone
# on with: a clock cannot tell them, and there are never more sets than that.
_STEPS = 2000

# What costs no more is free: an edit that changes no answer costs what float32 rounds.
_FREE_NATS = 1e-6


@dataclasses.dataclass(frozen=True)
class EditSet:
    """Edits that are made together.

    Attributes:
        edits: As `edgecat.train.edit.apply_edit` knows them, in the order in which they are made.
        saved_ratio: What they save, as a share of the network's time, 0-1.
        cost_nats: Sum of what each alone is expected to cost.
    """

    edits: tuple[str, ...] = ()
    saved_ratio: float = 0.0
    cost_nats: float = 0.0

    def __add__(self, other: "EditSet") -> "EditSet":
        """Return both together."""
        return EditSet(
            self.edits + other.edits,
            self.saved_ratio + other.saved_ratio,
            self.cost_nats + other.cost_nats,
        )


@dataclasses.dataclass(frozen=True)
class Scaling:
    """An edit that makes all of a network quicker, such as a smaller input.

    Attributes:
        edits: It, or nothing.
        ratio: Time with it by time without.
        cost_nats: What it is expected to cost.
    """

    edits: tuple[str, ...] = ()
    ratio: float = 1.0
    cost_nats: float = 0.0


def list_sets(edits: Sequence[EditSet], pairs: set[frozenset[str]]) -> list[EditSet]:
    """Return all sets that can be made of the edits of one part.

    Args:
        edits: Each alone, in the order in which they would be made.
        pairs: Those of them that go together.
    """
    found = [EditSet()]
    for one in edits:
        found += [
            before + one
            for before in found
            if all(frozenset((edit, *one.edits)) in pairs for edit in before.edits)
        ]
    return found


def combine_parts(parts: Iterable[Sequence[EditSet]]) -> list[EditSet]:
    """Return the sets, one of each part, than which no other saves as much and costs less.

    Args:
        parts: What can be made of each part; nothing is one of these sets.

    Returns:
        Those that save most first.
    """
    found = [EditSet()]
    for sets in parts:
        found = _keep_best(one + other for one, other in itertools.product(found, _keep_best(sets)))
    return found


def _keep_best(sets: Iterable[EditSet]) -> list[EditSet]:
    best: list[EditSet] = []
    for one in sorted(sets, key=lambda one: (-int(one.saved_ratio * _STEPS), one.cost_nats)):
        if not best or one.cost_nats < best[-1].cost_nats:
            best.append(one)
    return best


@dataclasses.dataclass(frozen=True)
class Choice:
    """Edits of blocks and, maybe, one that makes all of the network quicker.

    Attributes:
        edits: In the order in which they are made.
        ratio: Time with them by time without, predicted.
        cost_nats: Sum of what each alone is expected to cost.
    """

    edits: tuple[str, ...]
    ratio: float
    cost_nats: float


@dataclasses.dataclass(frozen=True)
class Space:
    """All networks that edits can make of one.

    Attributes:
        sets: As `combine_parts` returns them.
        scalings: Of which one is made; nothing is one of them.
    """

    sets: Sequence[EditSet]
    scalings: Sequence[Scaling]

    def choose(self, target_ratio: float) -> Choice | None:
        """Return the cheapest edits with which the network takes at most so much of its time.

        Args:
            target_ratio: Time with the edits by time without.

        Returns:
            Of equally cheap ones the quickest; None if there are no such edits.
        """
        reaching = [one for one in self._list() if one.ratio <= target_ratio]
        most_nats = min((one.cost_nats for one in reaching), default=0.0) + _FREE_NATS
        cheapest = (one for one in reaching if one.cost_nats <= most_nats)
        return min(cheapest, key=lambda one: one.ratio, default=None)

    def split(self) -> list["Space"]:
        """Return the networks with each scaling."""
        return [Space(self.sets, [scaling]) for scaling in self.scalings]

    def find_quickest(self) -> Choice:
        """Return the edits that save most."""
        return min(self._list(), key=lambda one: one.ratio)

    def _list(self) -> Iterator[Choice]:
        for one, scaling in itertools.product(self.sets, self.scalings):
            yield Choice(
                one.edits + scaling.edits,
                scaling.ratio * (1 - one.saved_ratio),
                one.cost_nats + scaling.cost_nats,
            )
