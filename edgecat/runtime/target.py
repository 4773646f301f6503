"""Kinds of processors that differ in which model is worth running, and which one this is."""

import dataclasses
import platform
from collections.abc import Callable, Iterable, Sequence

from edgecat.machine.cpu import list_features, read_cpuinfo
from edgecat.registry import Registry


@dataclasses.dataclass(frozen=True)
class Target:
    """A kind of processor.

    Attributes:
        matches: Whether a processor is one: of its architecture ("x86_64", "aarch64") and those of
            `edgecat.machine.cpu.FEATURES` that it has.
        priority: The more special it is; of those that match, the highest counts.
        advice: What its instructions mean for the choice of a variant, given its features.
        family: Of processors, whose instructions are much alike: "x86"; "" where it is no matter.
        saturates: Whether 8-bit weights overflow the 16-bit sums of its INT8 instructions.
    """

    matches: Callable[[str, Sequence[str]], bool]
    priority: int
    advice: Callable[[Sequence[str]], str]
    family: str = ""
    saturates: bool = False


#: By name, as in verdicts and `--targets`.
TARGETS: Registry[Target] = Registry("edgecat.runtime.targets", "target", is_hyphened=True)


def detect_target(among: Iterable[str] = ()) -> str:
    """Return which target this processor is.

    Args:
        among: Names to choose from, such as those that a bundle was judged for: of a kind that the
            bundle was not judged for, nothing is known. Names that are not known here count for
            nothing; without any, all count.
    """
    return tell_target(platform.machine(), list_features(read_cpuinfo()), among)


def tell_target(machine: str, features: Sequence[str], among: Iterable[str] = ()) -> str:
    """Return which target a processor is.

    Args:
        machine: Its architecture: "x86_64", "aarch64".
        features: Those of `edgecat.machine.cpu.FEATURES` that it has.
        among: As for `detect_target`.
    """
    known = [name for name in among if name in TARGETS] or TARGETS.names
    matching = [name for name in known if TARGETS.load(name).matches(machine, features)]
    return max(matching, key=lambda name: TARGETS.load(name).priority, default=known[0])
