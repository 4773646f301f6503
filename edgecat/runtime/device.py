"""On which device of this machine a model computes, and with what."""

import dataclasses
from collections.abc import Callable, Mapping

from edgecat.runtime.precision import Precision

#: The device that every engine has, and computes on where nobody asks for another.
CPU = "CPU"


@dataclasses.dataclass(frozen=True)
class Resources:
    """With what a model computes.

    Attributes:
        threads: How many, 1 or more.
        power_save: Threads that wait for work sleep, instead of asking for it in a loop.
        device: `CPU`, or another one that the engine has.
    """

    threads: int
    power_save: bool = False
    device: str = CPU


@dataclasses.dataclass(frozen=True)
class Devices:
    """What an engine can compute on beside the CPU.

    Attributes:
        check: Raises `ConfigError` for a device that the engine does not know, and `EngineError`
            for one that is not there; the message says what is, and what to install.
        find: Returns the names of all that are there, each with what it is.
        floats: What a model of a precision computes in on a device where it is not integer. Raises
            `EngineError` where the device cannot.
    """

    check: Callable[[str], None]
    find: Callable[[], Mapping[str, str]]
    floats: Callable[[Precision, str], Precision]


def name_on(variant: str, device: str) -> str:
    """Return such as "x-int8 on GPU", or the variant's name alone for the CPU."""
    return variant if device == CPU else f"{variant} on {device}"
