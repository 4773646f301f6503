"""What work costs in joules, where the machine can tell: a counter of its processor, or of a Pi 5.

Neither sees all of a computer: what screens, disks and USB take is in no counter.
"""

import re
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from edgecat.errors import DeviceError
from edgecat.machine.cgroups import read_number, read_words
from edgecat.machine.vcgencmd import ask_vcgencmd

# A zone a processor's package, its parts below it ("intel-rapl:0:1"); AMD's have the same names.
# What is not taken: "psys" holds the packages again, and "intel-rapl-mmio:0" is one of them.
# Source: the kernel's Documentation/power/powercap/powercap.rst and intel_rapl_common.c.
_ZONES = "sys/class/powercap"
_PACKAGE = re.compile(r"intel-rapl:\d+")

# A line of `vcgencmd pmic_read_adc`: "VDD_CORE_A current(7)=1.53108800A" and, further down,
# "VDD_CORE_V volt(15)=0.71684430V". Rails without a current (EXT5V, BATT) are inputs.
_RAIL = re.compile(r"\s*(\w+)_([AV]) (?:current|volt)\(\d+\)=([0-9.]+)[AV]")

# To ask takes a process of its own, which must not be what is measured.
_ASK_EVERY_S = 0.2


class Meter(Protocol):
    """Tells what work costs."""

    source: str

    def measure_j(self, work: Callable[[], object]) -> float:
        """Return the joules that are spent while something is done, by whomever.

        Raises:
            DeviceError: It does not tell any more.
        """


def find_meter(root: Path = Path("/")) -> Meter:
    """Return what tells on this machine.

    Args:
        root: Below it lie /sys and, on a Raspberry Pi, its tool.

    Raises:
        DeviceError: Nothing does, or only root may ask; the message says how to mend that.
    """
    zones = sorted(path for path in (root / _ZONES).glob("*") if _PACKAGE.fullmatch(path.name))
    packages = [zone for zone in zones if "".join(read_words(zone, "name")).startswith("package")]
    if packages:
        return _Rapl(packages)
    if _read_pmic_w(root) is not None:
        return _Pmic(root)
    raise DeviceError(
        "this machine tells no energy: it shows neither a processor's counter (/sys/class/powercap/"
        "intel-rapl*, missing in containers and virtual machines) nor a Raspberry Pi 5's power chip"
    )


class _Rapl:
    """The energy counters of a computer's processors, which their makers call RAPL."""

    def __init__(self, packages: Sequence[Path]) -> None:
        """Take the counters of these zones.

        Raises:
            DeviceError: One cannot be read.
        """
        self._packages = packages
        names = ", ".join("".join(read_words(zone, "name")) for zone in packages)
        self.source = f"the processor's own counter (RAPL {names}; not memory and disks)"
        self._read_uj()

    def measure_j(self, work: Callable[[], object]) -> float:
        """Return the joules of all packages; work must be over before a counter turns twice.

        Raises:
            DeviceError: A counter cannot be read any more.
        """
        before = self._read_uj()
        work()
        spent = zip(self._packages, before, self._read_uj(), strict=True)
        return sum(_count(zone, first_uj, last_uj) for zone, first_uj, last_uj in spent) / 1e6

    def _read_uj(self) -> list[int]:
        try:
            return [
                int((zone / "energy_uj").read_text(encoding="ascii")) for zone in self._packages
            ]
        except (OSError, ValueError) as error:
            raise DeviceError(
                f"the processor's energy counter cannot be read ({error}): run this as root, or "
                "open it to all until the next start: sudo chmod a+r "
                "/sys/class/powercap/intel-rapl:*/energy_uj (any program here can then watch what "
                "the others compute: CVE-2020-8694)"
            ) from error


def _count(zone: Path, first_uj: int, last_uj: int) -> int:
    """Return how far a counter went; at the end of its range it begins again."""
    if last_uj >= first_uj:
        return last_uj - first_uj
    return last_uj - first_uj + (read_number(zone, "max_energy_range_uj") or 0)


class _Pmic:
    """The chip that feeds a Raspberry Pi 5: current and voltage of each rail, at one moment."""

    source = "the board's power chip (sum of its rails; not USB, nor what the chip itself loses)"

    def __init__(self, root: Path) -> None:
        """Ask the tool below a folder."""
        self._root = root

    def measure_j(self, work: Callable[[], object]) -> float:
        """Return the mean power, asked for every moment meanwhile, by the time it took.

        Raises:
            DeviceError: It did not answer.
        """
        powers_w: list[float] = []
        is_over = threading.Event()

        def ask() -> None:
            while True:
                if (power_w := _read_pmic_w(self._root)) is not None:
                    powers_w.append(power_w)
                if is_over.wait(_ASK_EVERY_S):
                    return

        asking = threading.Thread(target=ask)
        asking.start()
        started = time.monotonic()
        try:
            work()
        finally:
            duration_s = time.monotonic() - started
            is_over.set()
            asking.join()
        if not powers_w:
            raise DeviceError("vcgencmd pmic_read_adc does not answer any more; is it still there?")
        return statistics.fmean(powers_w) * duration_s


def _read_pmic_w(root: Path) -> float | None:
    """Return the power of all rails now; None where there is no such chip."""
    rails: dict[str, dict[str, float]] = {"A": {}, "V": {}}
    for line in (ask_vcgencmd(root, "pmic_read_adc") or "").splitlines():
        if match := _RAIL.match(line):
            rails[match[2]][match[1]] = float(match[3])
    both = rails["A"].keys() & rails["V"].keys()
    return sum(rails["A"][name] * rails["V"][name] for name in both) if both else None
