"""Whole-process times of the commands that people wait for.

python -m benchmarks.device.cli_time PHOTO.jpg
"""

import statistics
import subprocess
import sys
import time
from pathlib import Path

import click

from benchmarks.command import EDGECAT
from benchmarks.results import write_result

_NUM_RUNS = 15


def measure_process_s(command: list[str]) -> list[float]:
    """Return seconds from start to exit, of each run after one warm-up."""
    times_s = []
    for _ in range(_NUM_RUNS + 1):
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times_s.append(time.perf_counter() - started)
    return times_s[1:]


@click.command()
@click.argument("photo", type=click.Path(exists=True, path_type=Path))
def main(photo: Path) -> None:
    """Time `edgecat --help`, `edgecat predict cats12 PHOTO` and an empty Python beside them."""
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "edgecat --help": [EDGECAT, "--help"],
        "edgecat predict cats12 PHOTO": [EDGECAT, "predict", "cats12", str(photo)],
    }
    rows = {name: measure_process_s(command) for name, command in commands.items()}
    medians = {name: statistics.median(times_s) for name, times_s in rows.items()}
    for name, median_s in medians.items():
        print(f"{name}: {median_s:.3f} s")
    write_result("cli_time", {"median_s": medians, "runs_s": rows})


if __name__ == "__main__":
    main()
