"""A disk that runs full while `edgecat watch` writes results and `bundle unpack` a bundle.

python benchmarks/disk_full.py [--seed 0]          as root: it mounts two small tmpfs

`watch`: again and again the disk of the results and their record is filled up but for some random
bytes, photos arrive, in every second round the process is killed, and space is made again.
`unpack`: a bundle is replaced on a disk with random, too little space, then with enough.
"""

import contextlib
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from PIL import Image
from results import write_result

from edgecat.bundle.store import load_bundle
from edgecat.cli.main import COMMANDS
from edgecat.errors import StorageError

_EDGECAT = str(Path(sys.executable).with_name("edgecat"))

_NUM_ROUNDS = 20
_PHOTOS_A_ROUND = 5

# An answer takes about 30 kB until the record's log is full (1 MiB), and 1 to 2 kB in the results:
# from no room at all to room for some of the former and a part of the latter.
_MOST_ROOM_BYTES = 100_000

# The record with its 1,000 newest lines and its log takes at most 3 MB.
_DISK_BYTES = 8 * 2**20

# Until a photo that has arrived has its line, or the full disk was noticed.
_TIMEOUT_S = 60


@contextlib.contextmanager
def mount_small_disk(size_bytes: int) -> Iterator[Path]:
    """Yield the folder of a real disk of this size."""
    with tempfile.TemporaryDirectory() as folder:
        options = ["-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs"]
        subprocess.run(["mount", *options, folder], check=True)
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", folder], check=True)


def fill(disk: Path, room_bytes: int) -> Path:
    """Take all space of a disk, give some bytes back and return the file that has the rest."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    with filler.open("r+b") as file:
        file.truncate(max(0, filler.stat().st_size - room_bytes))
    return filler


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
                [_EDGECAT, "watch", "cats12", str(folder), "--out", str(out), "--settle", "0.3"],
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


def fill_during_unpack(seed: int) -> dict[str, Any]:
    """Replace a bundle on a disk with too little space; return what stood there afterwards."""
    rng = random.Random(seed)
    num_refused = num_damaged = num_litter = num_replaced = 0
    with tempfile.TemporaryDirectory() as top, mount_small_disk(32 * 2**20) as disk:
        archive, bundle = Path(top) / "cats12.zip", disk / "cats12.edgecat"
        subprocess.run([_EDGECAT, "bundle", "pack", "cats12", "--out", str(archive)], check=True)
        command = [_EDGECAT, "bundle", "unpack", str(archive), "--out", str(bundle)]
        subprocess.run(command, check=True, capture_output=True)
        for _ in range(_NUM_ROUNDS):
            filler = fill(disk, rng.randrange(archive.stat().st_size))
            full = subprocess.run(command, check=False, capture_output=True)
            num_refused += full.returncode == StorageError.exit_code
            num_damaged += not is_whole(bundle)
            num_litter += len(list(disk.iterdir())) - 2
            filler.unlink()
            inode = bundle.stat().st_ino
            subprocess.run(command, check=True, capture_output=True)
            num_replaced += is_whole(bundle) and bundle.stat().st_ino != inode
    return {
        "num_rounds": _NUM_ROUNDS,
        "num_refused": num_refused,
        "num_damaged": num_damaged,
        "num_files_left_behind": num_litter,
        "num_replaced_when_space_was_back": num_replaced,
    }


def is_whole(bundle: Path) -> bool:
    """Return whether every file of a bundle has its SHA-256."""
    with contextlib.suppress(Exception):
        load_bundle(bundle)
        return True
    return False


@click.command()
@click.option("--seed", default=0, show_default=True)
def main(seed: int) -> None:
    """Fill the disk, count, write down."""
    values = {"seed": seed, "watch": fill_during_watch(seed)}
    if "bundle" in COMMANDS:
        values["unpack"] = fill_during_unpack(seed)
    print(json.dumps(values, indent=1))
    write_result("disk_full", values)


if __name__ == "__main__":
    main()
