"""How many threads pay off under a CPU quota, as containers and systemd's CPUQuota set one?

python -m benchmarks.device.cpu_quota    as root: it makes a control group

Each quota and number of threads is a process of its own in a real control group (cgroups version 1
or 2), which answers without a pause. They take turns; of each the round with most answers counts,
which is the one that other work on the machine disturbed least.
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
_NUM_ROUNDS = 5
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
    times_ms, ends = [], time.perf_counter() + 2
    while (started := time.perf_counter()) < ends:
        classifier.compute_logits(batch)
        times_ms.append(1e3 * (time.perf_counter() - started))
print(json.dumps({"answers_per_s": len(times_ms) / 2} | percentiles(times_ms)))
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
    # Of both versions; and before all other work on the machine, as far as the kernel lets it.
    settings = {
        "cpu.max": f"{quota_us} {_PERIOD_US}", "cpu.weight": "10000",
        "cpu.cfs_quota_us": str(quota_us), "cpu.shares": "262144",
    }  # fmt: skip
    for top in list_groups("cpu"):
        group = top / "edgecat-quota"
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            found = [name for name in settings if (group / name).exists()]
            if found:
                for name in found:
                    (group / name).write_text(settings[name])
                yield group
                return
        finally:
            group.rmdir()
    raise PermissionError("needs the right to make a control group with a CPU quota")


@click.command()
def main() -> None:
    """Answer under each quota with each number of threads."""
    cases = list(itertools.product(_QUOTAS, _THREADS))
    rounds: dict[tuple[float, int], list[dict[str, float]]] = {case: [] for case in cases}
    for quota, threads in cases * _NUM_ROUNDS:
        with limited_group(quota) as group:
            command = [sys.executable, "-c", _CHILD, str(group), str(threads)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
        rounds[quota, threads].append(json.loads(done.stdout))
    rows = [
        {"quota": quota, "threads": threads} | max(found, key=lambda each: each["answers_per_s"])
        for (quota, threads), found in rounds.items()
    ]
    for row in rows:
        print({name: round(value, 1) for name, value in row.items()})
    write_result("cpu_quota", {"rows": rows, "rounds": list(rounds.values())})


if __name__ == "__main__":
    main()
