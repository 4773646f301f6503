"""What `edgecat doctor` looks at; each check stands in a file of `edgecat.doctor.checks`."""

import dataclasses
from collections.abc import Callable, Iterable

from edgecat.doctor.finding import Finding
from edgecat.doctor.machine import Machine
from edgecat.registry import Registry


@dataclasses.dataclass(frozen=True)
class Check:
    """A check of a machine.

    Attributes:
        place: Checks are made in the order of these numbers: what the others stand on first.
        look: Returns what is found on a machine; none where the check does not concern it.
    """

    place: int
    look: Callable[[Machine], Iterable[Finding]]


#: By name; names are for nothing but telling them apart.
CHECKS: Registry[Check] = Registry("edgecat.doctor.checks", "check")


def one(look: Callable[[Machine], Finding | None]) -> Callable[[Machine], Iterable[Finding]]:
    """Return a check that finds one thing, or none, as one that finds several."""

    def look_once(machine: Machine) -> Iterable[Finding]:
        finding = look(machine)
        return () if finding is None else (finding,)

    return look_once
