"""The inference engines: installed, of a version that works here, and importable."""

import importlib

from edgecat.doctor.apart import run_apart
from edgecat.doctor.finding import Finding
from edgecat.doctor.machine import Machine
from edgecat.errors import EdgecatError

# Source: github.com/microsoft/onnxruntime/issues/23957: an illegal instruction on import, on a
# Raspberry Pi 4 and other 64-bit Arm processors before Armv8.2.
_CRASHES_ON_ARM = "1.21.0"


def check_onnxruntime(machine: Machine) -> Finding:
    """The engine that edgecat cannot do without."""
    subject, version = "onnxruntime", machine.packages.get("onnxruntime")
    if version is None:
        return Finding(
            subject, "problem", "not installed", "pip install edgecat, in a fresh environment"
        )
    if machine.machine == "aarch64" and version == _CRASHES_ON_ARM:
        return Finding(
            subject, "problem", f"{version} crashes on a Raspberry Pi 4 (onnxruntime#23957)",
            f"pip install 'onnxruntime!={_CRASHES_ON_ARM}'",
        )  # fmt: skip
    return _try_import(subject, version, "pip install --force-reinstall onnxruntime")


def check_openvino(machine: Machine) -> Finding:
    """The engine that some variants of a bundle are for."""
    subject, version = "openvino", machine.packages.get("openvino")
    if version is None:
        found = "not installed, and only needed for variants named after it: edgecat[openvino]"
        return Finding(subject, "ok", found)
    return _try_import(subject, version, "pip uninstall openvino, or install another version")


def _try_import(package: str, version: str, mend: str) -> Finding:
    try:
        run_apart(f"import {package}", lambda: importlib.import_module(package).__name__)
    except EdgecatError as error:
        return Finding(package, "problem", f"{version}: {error}", mend)
    return Finding(package, "ok", version)
