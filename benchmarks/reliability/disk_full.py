"""A disk that runs full while `edgecat watch` writes results.

python -m benchmarks.reliability.disk_full [--seed 0]    as root: it mounts a small disk in memory

Again and again the disk of the results and their record is filled up but for some random bytes,
photos arrive, in every second round the process is killed, and space is made again. What a full
disk does to `bundle unpack` is told by unpack_faults.py.
"""

import json
import random
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import click
from PIL import Image

from benchmarks.command import EDGECAT
from benchmarks.reliability.disks import fill, mount_small_disk
from benchmarks.results import write_result

_NUM_ROUNDS = 20
_PHOTOS_A_ROUND = 5

# An answer takes about 30 kB until the record's log is full (1 MiB), and 1 to 2 kB in the results:
# from no room at all to room for some of the former and a part of the latter.
_MOST_ROOM_BYTES = 100_000

# The record with its 1,000 newest lines and its log takes at most 3 MB.
_DISK_BYTES = 8 * 2**20

# Until a photo that has arrived has its line, or the full disk was noticed.
_TIMEOUT_S = 60


class Watch:
    """A running `edgecat watch` and what it said."""

    def __init__(self, folder: Path, out: Path, log: Path) -> None:
        """Start it.

        Args:
            folder: Where photos arrive.
            out: The results file.
            log: Takes what it says.
        """
        self._log = log
        with log.open("w") as file:
            self.process = subprocess.Popen(
                [EDGECAT, "watch", "cats12", str(folder), "--out", str(out), "--settle", "0.3"],
                stdout=subprocess.DEVNULL, stderr=file,
            )  # fmt: skip

    def count_said(self, words: str) -> int:
        """Return how often it said something."""
        return self._log.read_text().count(words)

    def wait_until_said(self, words: str) -> None:
        """Wait until it says something."""
        wait_until(lambda: self.count_said(words) > 0)


def wait_until(is_true: Any) -> None:
    """Wait until a condition holds, or fail."""
    end_s = time.monotonic() + _TIMEOUT_S
    while not is_true():
        if time.monotonic() > end_s:
            raise TimeoutError("it did not come")
        time.sleep(0.02)


def count_lines(out: Path) -> int:
    """Return how many whole lines a file has."""
    return out.read_bytes().count(b"\n") if out.exists() else 0


def fill_during_watch(seed: int) -> dict[str, Any]:
    """Fill the disk under a results file, many times; return what became of the photos."""
    rng = random.Random(seed)
    num_photos = num_killed = num_told_again = num_torn_seen = 0
    with tempfile.TemporaryDirectory() as top, mount_small_disk(_DISK_BYTES) as disk:
        folder, out, log = Path(top) / "in", disk / "results.jsonl", Path(top) / "log"
        folder.mkdir()
        watch = Watch(folder, out, log)
        watch.wait_until_said("watching")
        for number in range(_NUM_ROUNDS):
            filler = fill(disk, rng.randrange(_MOST_ROOM_BYTES))
            while not watch.count_said("cannot be written"):
                for _ in range(_PHOTOS_A_ROUND):
                    path = folder / f"{num_photos}.png"
                    Image.new("RGB", (64, 64), (num_photos % 256, num_photos // 256, 9)).save(path)
                    num_photos += 1
                time.sleep(1)
            num_torn_seen += not out.read_bytes().endswith(b"\n") and count_lines(out) > 0
            is_killed = number % 2 == 0
            if is_killed:
                watch.process.kill()
                watch.process.wait()
                num_killed += 1
            num_told_again += max(0, watch.count_said("cannot be written") - 1)
            filler.unlink()
            if is_killed:
                watch = Watch(folder, out, log)
            wait_until(lambda wanted=num_photos: count_lines(out) == wanted)
            if not is_killed:
                watch.wait_until_said("well again")
                watch.process.terminate()
                watch.process.wait()
                watch = Watch(folder, out, log)
            print(f"round {number + 1}: {num_photos} photos", end="\r", flush=True)
        watch.process.terminate()
        watch.process.wait()
        lines = [json.loads(line) for line in out.read_text().splitlines()]
    counted = Counter(line["photo"] for line in lines)
    return {
        "num_rounds": _NUM_ROUNDS,
        "num_killed_while_full": num_killed,
        "num_photos": num_photos,
        "num_lost": num_photos - len(counted),
        "num_twice": sum(count - 1 for count in counted.values()),
        "num_errors": sum("error" in line for line in lines),
        "num_torn_lines_seen": num_torn_seen,
        "num_times_told_again": num_told_again,
    }


@click.command()
@click.option("--seed", default=0, show_default=True)
def main(seed: int) -> None:
    """Fill the disk, count, write down."""
    values = {"seed": seed, "watch": fill_during_watch(seed)}
    print(json.dumps(values, indent=1))
    write_result("disk_full", values)


if __name__ == "__main__":
    main()
