"""What a number from this machine needs beside it to mean something."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

# Instructions that decide how fast int8 and bf16 are, as /proc/cpuinfo spells them (x86, Arm).
_FEATURES = (
    "avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8",
    "asimd", "asimddp", "i8mm", "bf16", "fphp",
)  # fmt: skip

_PACKAGES = ("edgecat", "numpy", "pillow", "onnxruntime", "openvino")


def describe_host() -> dict[str, Any]:
    """Return CPU, its features, governor, temperature where readable, load and versions."""
    cpuinfo = _read("/proc/cpuinfo") or ""
    fields: dict[str, str] = {}
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        fields.setdefault(name.strip(), value.strip())
    flags = (fields.get("flags") or fields.get("Features") or "").split()
    temperature = _read("/sys/class/thermal/thermal_zone0/temp")
    return {
        "cpu": fields.get("model name") or fields.get("Model") or platform.processor(),
        "machine": platform.machine(),
        "num_cpus": os.cpu_count(),
        "features": [name for name in _FEATURES if name in flags],
        "governor": _read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "temperature_c": int(temperature) / 1000 if temperature else None,
        "load_1min": os.getloadavg()[0],
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: found for name in _PACKAGES if (found := _version(name))},
    }


def _read(path: str) -> str | None:
    try:
        return Path(path).read_text().strip()
    except (OSError, ValueError):
        return None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
