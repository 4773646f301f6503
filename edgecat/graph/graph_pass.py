"""An exact rewrite of a graph; each stands in a file of `edgecat.graph.passes`."""

import dataclasses
from collections.abc import Callable

from edgecat.graph.graph import Graph
from edgecat.registry import Registry


@dataclasses.dataclass(frozen=True)
class GraphPass:
    """A rewrite after which a graph answers as before.

    Attributes:
        place: Passes run in the order of these numbers.
        title: What becomes of what.
        apply: Changes a graph and returns in how many places.
    """

    place: int
    title: str
    apply: Callable[[Graph], int]


#: By name; bundles record the titles.
PASSES: Registry[GraphPass] = Registry("edgecat.graph.passes", "graph pass")


def list_passes() -> list[GraphPass]:
    """Return all passes, in the order in which they run."""
    return sorted(PASSES.load_all().values(), key=lambda each: each.place)
