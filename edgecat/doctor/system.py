"""The system under the interpreter: for what is edgecat's stack built?"""

from edgecat.doctor.finding import Finding
from edgecat.doctor.machine import Machine, is_older

_MACHINES = ("x86_64", "aarch64")

# Source: the tags of the wheels, manylinux_2_28 (onnxruntime 1.32) and, for 64-bit Arm,
# manylinux_2_35 (openvino 2026.4).
_MIN_GLIBC = "2.28"
_MIN_GLIBC_OPENVINO_ARM = "2.35"

# As `requires-python` in pyproject.toml.
_MIN_PYTHON = "3.11"

_NEW_SYSTEM = "install a newer system: Debian 12 or the 64-bit Raspberry Pi OS made of it"


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


def check_glibc(machine: Machine) -> Finding:
    """A C library that the wheels run with."""
    if not machine.glibc:
        return Finding(
            "glibc", "problem", "another C library (musl?), for which there is no ONNX Runtime",
            "use a system with glibc: Debian, Ubuntu, Raspberry Pi OS, Fedora",
        )  # fmt: skip
    if is_older(machine.glibc, _MIN_GLIBC):
        found = f"{machine.glibc}; ONNX Runtime needs {_MIN_GLIBC}"
        return Finding("glibc", "problem", found, _NEW_SYSTEM)
    if machine.machine == "aarch64" and is_older(machine.glibc, _MIN_GLIBC_OPENVINO_ARM):
        found = f"{machine.glibc}; OpenVINO of 2026 needs {_MIN_GLIBC_OPENVINO_ARM} on Arm"
        mend = f"choose --variant onnxruntime-int8, which runs, or {_NEW_SYSTEM}"
        return Finding("glibc", "warning", found, mend)
    return Finding("glibc", "ok", machine.glibc)


def check_python(machine: Machine) -> Finding:
    """An interpreter that edgecat runs in."""
    if is_older(machine.python, _MIN_PYTHON):
        found = f"{machine.python}; edgecat needs {_MIN_PYTHON}"
        return Finding("Python", "problem", found, _NEW_SYSTEM)
    return Finding("Python", "ok", machine.python)
