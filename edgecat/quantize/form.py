"""What INT8 looks like to an engine; each form stands in a file of `edgecat.quantize.forms`."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Protocol

from edgecat.quantize.grids import Grid
from edgecat.quantize.placement import Parts, Placement
from edgecat.quantize.ranges import Histogram
from edgecat.registry import Registry


class Place(Protocol):
    """How grids are chosen."""

    def __call__(
        self, parts: Parts, histograms: dict[str, Histogram], *, cuts: bool
    ) -> dict[str, Grid]:
        """Return the grid of every tensor that becomes uint8.

        Args:
            parts: The float graph.
            histograms: Of `Form.tensors_to_measure`, at least.
            cuts: Whether a range may cut rare large values off; else it holds all that was seen.
        """


@dataclasses.dataclass(frozen=True)
class Form:
    """What INT8 looks like to an engine.

    Attributes:
        min_float_stages: The least that stays float, see `edgecat.quantize.rescale.float_nodes`.
        tensors_to_measure: Returns the tensors of a graph whose range decides a scale.
        place: Chooses their grids.
        write: Returns the files of a graph that rounds at these places.
    """

    min_float_stages: int
    tensors_to_measure: Callable[[Parts], list[str]]
    place: Place
    write: Callable[[Parts, Placement], Sequence[bytes]]


#: By the name of the engine whose INT8 variant it makes.
FORMS: Registry[Form] = Registry("edgecat.quantize.forms", "form of INT8")
