"""What changes from minute to minute and makes a machine slower: clock, heat, power, other work."""

import dataclasses
import os
from pathlib import Path

from edgecat.machine.cgroups import parse_number, read_words
from edgecat.machine.throttling import parse_flags, read_throttled

_CPUS = "sys/devices/system/cpu"


@dataclasses.dataclass(frozen=True)
class Conditions:
    """A machine at one moment; None for what it does not tell.

    Attributes:
        governor: Who sets the clock: "ondemand", "performance".
        frequency_mhz: Of the fastest processor now.
        temperature_c: Of the hottest sensor.
        throttled: Raspberry Pi's flags (`edgecat.machine.throttling.FLAGS`).
        load_1min: Programs that computed or waited to, mean of the last minute.
    """

    governor: str | None
    frequency_mhz: float | None
    temperature_c: float | None
    throttled: int | None
    load_1min: float | None


def read_conditions(root: Path = Path("/")) -> Conditions:
    """Return what holds now.

    Args:
        root: Below it lie /sys and, on a Raspberry Pi, its tools.
    """
    return Conditions(
        governor=read_governor(root),
        frequency_mhz=_read_frequency_mhz(root),
        temperature_c=read_temperature_c(root),
        throttled=parse_flags(read_throttled(root)),
        load_1min=_read_load(),
    )


def _read_load() -> float | None:
    try:
        return os.getloadavg()[0]
    except OSError:  # no /proc/loadavg, as on Android
        return None


def read_governor(root: Path = Path("/")) -> str | None:
    """Return who sets the clock; None where it is not Linux's to set."""
    words = read_words(root, f"{_CPUS}/cpu0/cpufreq/scaling_governor")
    return words[0] if words else None


def read_temperature_c(root: Path = Path("/")) -> float | None:
    """Return the temperature of the hottest sensor; None where none can be read."""
    zones = (root / "sys/class/thermal").glob("thermal_zone*/temp")
    texts = [words[0] for zone in zones if (words := read_words(zone.parent, zone.name))]
    return max((int(text) / 1000 for text in texts if text.lstrip("-").isdigit()), default=None)


def _read_frequency_mhz(root: Path) -> float | None:
    files = (root / _CPUS).glob("cpu[0-9]*/cpufreq/scaling_cur_freq")
    found = [parse_number(read_words(file.parent, file.name)[:1]) for file in files]
    return max((khz / 1000 for khz in found if khz), default=None)
