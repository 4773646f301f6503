"""Is there a stack for this machine, below the interpreter?"""

from edgecat.doctor.check import Check, one
from edgecat.doctor.finding import Finding
from edgecat.doctor.machine import Machine

_MACHINES = ("x86_64", "aarch64")


def check_system(machine: Machine) -> Finding:
    """64 bits, on a processor that there are wheels for."""
    subject, found = "system", f"{machine.bits}-bit Python on {machine.machine}"
    if machine.model:
        found += f", {machine.model}"
    if machine.bits != 64:
        return Finding(
            subject, "problem", f"{found}: there is no ONNX Runtime for 32 bits",
            "install the 64-bit Raspberry Pi OS (a 64-bit kernel alone is not enough)",
        )  # fmt: skip
    if machine.machine not in _MACHINES:
        return Finding(
            subject, "problem", f"{found}: there is no ONNX Runtime for it",
            f"use a machine of {' or '.join(_MACHINES)}",
        )  # fmt: skip
    return Finding(subject, "ok", found)


ENTRY = Check(10, one(check_system))
