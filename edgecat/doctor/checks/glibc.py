"""Is the C library one that the wheels run with?"""

from edgecat.doctor.check import Check, one
from edgecat.doctor.finding import Finding
from edgecat.doctor.machine import NEW_SYSTEM, Machine, is_older

# Source: the tags of the wheels: manylinux_2_28 (onnxruntime 1.32).
_MIN_GLIBC = "2.28"


def check_glibc(machine: Machine) -> Finding:
    """A C library that the wheels run with."""
    if not machine.glibc:
        return Finding(
            "glibc", "problem", "another C library (musl?), for which there is no ONNX Runtime",
            "use a system with glibc: Debian, Ubuntu, Raspberry Pi OS, Fedora",
        )  # fmt: skip
    if is_older(machine.glibc, _MIN_GLIBC):
        found = f"{machine.glibc}; ONNX Runtime needs {_MIN_GLIBC}"
        return Finding("glibc", "problem", found, NEW_SYSTEM)
    return Finding("glibc", "ok", machine.glibc)


ENTRY = Check(20, one(check_glibc))
