"""What a number from this machine needs beside it to mean something."""

import os
import platform
from pathlib import Path
from typing import Any

from edgecat.machine.cores import count_threads
from edgecat.machine.cpu import list_features, name_processor, read_cpuinfo
from edgecat.machine.packages import list_versions
from edgecat.runtime.engine import ENGINES


def describe_host() -> dict[str, Any]:
    """Return CPU, its features, governor, temperature where readable, load and versions."""
    cpuinfo = read_cpuinfo()
    engines = [entry.package for entry in ENGINES.load_all().values()]
    packages = ("edgecat", "numpy", "pillow", *engines)
    temperature = _read("/sys/class/thermal/thermal_zone0/temp")
    return {
        "cpu": name_processor(cpuinfo),
        "machine": platform.machine(),
        "num_cpus": os.cpu_count(),
        "num_usable_cores": count_threads(),
        "features": list_features(cpuinfo),
        "governor": _read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "temperature_c": int(temperature) / 1000 if temperature else None,
        "load_1min": os.getloadavg()[0],
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": list_versions(packages),
    }


def _read(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return None
