"""Does the clock rise under load?"""

from edgecat.doctor.check import Check, one
from edgecat.doctor.finding import Finding
from edgecat.doctor.machine import Machine
from edgecat.machine.conditions import read_governor

_CPUFREQ = "sys/devices/system/cpu/cpu0/cpufreq"

# With these drivers the processor itself raises the clock; "powersave" is their usual governor.
_SELF_CLOCKING = ("intel_pstate", "amd-pstate-epp")


def check_governor(machine: Machine) -> Finding:
    """A clock that rises under load."""
    governor = read_governor(machine.root)
    if governor is None:
        return Finding("governor", "ok", "none: the clock is not Linux's to set")
    driver = machine.read(f"{_CPUFREQ}/scaling_driver")
    if governor == "powersave" and driver not in _SELF_CLOCKING:
        return Finding(
            "governor", "warning", "powersave keeps the clock at its lowest",
            "echo ondemand | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor",
        )  # fmt: skip
    return Finding("governor", "ok", governor)


ENTRY = Check(50, one(check_governor))
