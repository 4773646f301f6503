"""What a number from this machine needs beside it to mean something."""

import os
import platform
from typing import Any

from edgecat import __version__
from edgecat.machine.conditions import read_conditions
from edgecat.machine.cores import count_threads
from edgecat.machine.cpu import list_features, name_processor, read_cpuinfo
from edgecat.machine.packages import list_versions
from edgecat.runtime.engine import ENGINES


def describe_host() -> dict[str, Any]:
    """Return CPU, its features, governor, temperature where readable, load and versions."""
    cpuinfo = read_cpuinfo()
    engines = [entry.package for entry in ENGINES.load_all().values()]
    now = read_conditions()
    return {
        "cpu": name_processor(cpuinfo),
        "machine": platform.machine(),
        "num_cpus": os.cpu_count(),
        "num_usable_cores": count_threads(),
        "features": list_features(cpuinfo),
        "governor": now.governor,
        "temperature_c": now.temperature_c,
        "load_1min": now.load_1min,
        "system": platform.platform(),
        "python": platform.python_version(),
        # Its own even where it only lies in a folder: --host --install has it so.
        "versions": {"edgecat": __version__} | list_versions(("numpy", "pillow", *engines)),
    }
