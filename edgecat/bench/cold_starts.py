"""Fresh processes that open a variant and answer one photo: how long, and how much memory."""

import dataclasses
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence

from edgecat.bundle.store import Bundle
from edgecat.errors import EngineError
from edgecat.progress import Progress
from edgecat.runtime.device import Resources

NUM_COLD_STARTS = 3


@dataclasses.dataclass(frozen=True)
class Cold:
    """A variant measured in fresh processes.

    Attributes:
        start_ms: From the start of the process to its first answer, median.
        peak_rss_bytes: The largest of these processes.
    """

    start_ms: float
    peak_rss_bytes: int


def measure_cold(
    bundle: Bundle, variants: Sequence[str], resources: Resources, progress: Progress
) -> dict[str, Cold]:
    """Measure fresh processes that open a variant and answer one photo."""
    with progress.phase("cold starts", len(variants) * NUM_COLD_STARTS) as step:
        return {name: _start_cold(bundle, name, resources, step) for name in variants}


def _start_cold(
    bundle: Bundle, variant: str, resources: Resources, step: Callable[[], object]
) -> Cold:
    """Start fresh processes.

    Raises:
        EngineError: One failed.
    """
    command = [
        sys.executable, "-P", "-m", "edgecat.bench.cold",
        str(bundle.path), variant, str(resources.threads), resources.device,
    ]  # fmt: skip
    # It imports from where this process does; -m alone would look into the current folder first.
    path = os.pathsep.join(map(os.path.abspath, sys.path))
    times_ms, peaks = [], []
    for _ in range(NUM_COLD_STARTS):
        with tempfile.TemporaryFile("w+") as errors:  # no pipe, which may be full before the line
            started = time.perf_counter()
            with subprocess.Popen(
                command,
                env=os.environ | {"PYTHONPATH": path},
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            ) as process:
                # A library may greet before it.
                line = next((told for told in process.stdout or () if told.startswith("{")), "")
                times_ms.append(1e3 * (time.perf_counter() - started))
            if process.returncode:
                errors.seek(0)
                told = errors.read().strip()[-500:] or f"exit code {process.returncode}"
                raise EngineError(f"{variant}: a fresh process failed: {told}")
        peaks.append(json.loads(line)["peak_rss_bytes"])
        step()
    return Cold(statistics.median(times_ms), max(peaks))
