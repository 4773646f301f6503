"""How many threads pay off under a CPU quota, as containers and systemd's CPUQuota set one?

python -m benchmarks.device.cpu_quota    as root: it makes a control group

Each quota and number of threads is a process of its own in a real control group (cgroups version 1
or 2), which answers without a pause.
"""

import contextlib
import itertools
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from benchmarks.results import write_result
from edgecat.machine.cgroups import list_groups

_QUOTAS = (2.0, 1.5, 1.0, 0.5)
_THREADS = (1, 2)
_PERIOD_US = 100_000  # the kernel's default

_CHILD = """
import json, os, sys, time
group, threads = sys.argv[1:]
with open(group + "/cgroup.procs", "w") as file:
    file.write(str(os.getpid()))

import numpy as np
from edgecat.bench.clock import percentiles
from edgecat.runtime.classifier import Classifier

with Classifier.open("cats12", "onnxruntime-int8", threads=int(threads)) as classifier:
    batch = np.zeros((1, 224, 224, 3), np.uint8)
    times_ms, ends = [], time.perf_counter() + 5
    while (started := time.perf_counter()) < ends:
        classifier.compute_logits(batch)
        times_ms.append(1e3 * (time.perf_counter() - started))
print(json.dumps({"answers_per_s": len(times_ms) / 5} | percentiles(times_ms)))
"""


@contextlib.contextmanager
def limited_group(quota: float) -> Iterator[Path]:
    """Make a control group with a CPU quota, for as long as the block lasts.

    Args:
        quota: In processors.

    Raises:
        PermissionError: Not allowed here, or no CPU controller.
    """
    quota_us = round(quota * _PERIOD_US)
    limits = {"cpu.max": f"{quota_us} {_PERIOD_US}", "cpu.cfs_quota_us": str(quota_us)}
    for top in list_groups("cpu"):
        group = top / "edgecat-quota"
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            for name in limits:
                if (group / name).exists():
                    (group / name).write_text(limits[name])
                    yield group
                    return
        finally:
            group.rmdir()
    raise PermissionError("needs the right to make a control group with a CPU quota")


@click.command()
def main() -> None:
    """Answer under each quota with each number of threads."""
    rows = []
    for quota, threads in itertools.product(_QUOTAS, _THREADS):
        with limited_group(quota) as group:
            command = [sys.executable, "-c", _CHILD, str(group), str(threads)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
        rows.append({"quota": quota, "threads": threads} | json.loads(done.stdout))
        print({name: round(value, 1) for name, value in rows[-1].items()})
    write_result("cpu_quota", {"rows": rows})


if __name__ == "__main__":
    main()
