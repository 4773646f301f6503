"""What `edgecat watch` costs when it has answered 2,000,000 photos, all of which are still there.

python -m benchmarks.reliability.watch_record [--num-photos 2000000]     8 GB of disk, an hour

For each number of photos a folder of so many files is made, and a results file that has a line for
each, as older versions wrote it. That is taken over once; then `watch` is started several times
(time to "watching", peak memory), and photos arrive one after the other (time to their line,
processor time of the process), while it looks through the folder for the first time and afterwards.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
from PIL import Image

from benchmarks.command import EDGECAT
from benchmarks.results import write_result

_NUM_PHOTOS = (0, 20_000, 2_000_000)
_NUM_STARTS = 5
_NUM_ARRIVALS = 100
_FILES_A_FOLDER = 1000
_TIMEOUT_S = 60


def make_old_results(folder: Path, out: Path, num_photos: int) -> None:
    """Make a folder of files and a line of results for each. They are empty: none is read."""
    result = {
        "time": "2026-11-28T04:00:00.000+00:00",
        "bundle": "cats12",
        "variant": "onnxruntime-int8",
        "answer": "Siamese",
        "label": "Siamese",
        "probability": 0.9876543209876543,
        "is_known": True,
        "top": [{"label": label, "probability": 0.1234567890123456} for label in "ABC"],
        "stage_ms": dict.fromkeys(("decode", "model", "total"), 1.234567890123456),
    }
    with out.open("w") as file:
        for number in range(num_photos):
            name = f"{number // _FILES_A_FOLDER:04d}/IMG_{number:08d}.jpg"
            path = folder / name
            if number % _FILES_A_FOLDER == 0:
                path.parent.mkdir()
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o644))
            found = path.stat()
            stamp = {"size_bytes": 0, "mtime_ns": found.st_mtime_ns, "inode": found.st_ino}
            line = {"photo": name} | stamp | {"sha256": f"{number:064x}"} | result
            file.write(json.dumps(line) + "\n")


class Watch:
    """A running `edgecat watch`."""

    def __init__(self, folder: Path, out: Path) -> None:
        """Start it, and wait until it watches.

        Args:
            folder: Where photos arrive.
            out: The results file.
        """
        started_s = time.monotonic()
        self.process = subprocess.Popen(
            [EDGECAT, "watch", "cats12", str(folder), "--out", str(out), "--threads", "1"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        for line in self.process.stderr:
            if line.startswith("watching"):
                break
        self.start_s = time.monotonic() - started_s
        self.start_cpu_s = self.measure_cpu_s()

    def measure_cpu_s(self) -> float:
        """Return the processor time that it took until now."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def measure_peak_mb(self) -> float:
        """Return the most memory that it had in use."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        (kb,) = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")]
        return int(kb) / 1024

    def measure_written_kb(self) -> float:
        """Return what it had written to the disk."""
        lines = Path(f"/proc/{self.process.pid}/io").read_text().splitlines()
        (count,) = [line.split()[1] for line in lines if line.startswith("write_bytes")]
        return int(count) / 1024

    def stop(self) -> None:
        """End it in order."""
        self.process.terminate()
        self.process.communicate()


def draw_photos(folder: Path) -> Iterator[Path]:
    """Yield new photos without end, all different."""
    rng = np.random.default_rng(time.time_ns())
    for number in range(sys.maxsize):
        path = folder / f"{time.time_ns()}-{number}.jpg"
        Image.fromarray(rng.integers(0, 256, (240, 320, 3), dtype=np.uint8)).save(path)
        yield path


def let_photos_arrive(watch: Watch, folder: Path, photos: Iterator[Path]) -> dict[str, float]:
    """Let photos arrive one after the other; return what each cost."""
    cpu_s, written_kb, waits_ms = watch.measure_cpu_s(), watch.measure_written_kb(), []
    for _ in range(_NUM_ARRIVALS):
        photo = next(photos)
        started_s = time.monotonic()
        photo.rename(folder / photo.name)
        watch.process.stdout.readline()
        waits_ms.append(1e3 * (time.monotonic() - started_s))
    return {
        "p50_ms": statistics.median(waits_ms),
        "max_ms": max(waits_ms),
        "cpu_ms": 1e3 * (watch.measure_cpu_s() - cpu_s) / _NUM_ARRIVALS,
        "written_kb": (watch.measure_written_kb() - written_kb) / _NUM_ARRIVALS,
    }


def wait_until_idle(watch: Watch) -> float:
    """Wait until it has looked through the folder; return how much processor time that took."""
    while True:
        before_s = watch.measure_cpu_s()
        time.sleep(2)
        if watch.measure_cpu_s() - before_s < 0.2:
            return before_s


def measure(num_photos: int, top: Path) -> dict[str, Any]:
    """Return what a record of so many photos costs."""
    folder, scratch, out = top / "in", top / "scratch", top / "results.jsonl"
    for path in (folder, scratch):
        path.mkdir()
    make_old_results(folder, out, num_photos)
    first = Watch(folder, out)
    values: dict[str, Any] = {
        "num_photos": num_photos,
        "results_mb": out.stat().st_size / 1e6,
        "take_over_s": first.start_s,
        "take_over_peak_mb": first.measure_peak_mb(),
    }
    first.stop()
    values["record_mb"] = Path(f"{out}.done.sqlite").stat().st_size / 1e6
    starts = []
    for _ in range(_NUM_STARTS):
        starts.append(Watch(folder, out))
        starts[-1].stop()
    values["start_s"] = statistics.median(watch.start_s for watch in starts)
    values["start_cpu_s"] = statistics.median(watch.start_cpu_s for watch in starts)
    watch, photos = Watch(folder, out), draw_photos(scratch)
    values["photo_while_it_looks"] = let_photos_arrive(watch, folder, photos)
    values["scan_cpu_s"] = wait_until_idle(watch)
    values["photo_afterwards"] = let_photos_arrive(watch, folder, photos)
    values["peak_mb"] = watch.measure_peak_mb()
    watch.stop()
    return values


@click.command()
@click.option("--num-photos", multiple=True, type=int, default=_NUM_PHOTOS, show_default=True)
@click.option("--scratch", default=None, help="A folder on the disk to measure on.")
def main(num_photos: tuple[int, ...], scratch: str | None) -> None:
    """Measure each number of photos, write down."""
    rows = []
    for count in num_photos:
        with tempfile.TemporaryDirectory(dir=scratch) as top:
            rows.append(measure(count, Path(top)))
        print(json.dumps(rows[-1], indent=1), flush=True)
    write_result("watch_record", {"rows": rows})


if __name__ == "__main__":
    main()
