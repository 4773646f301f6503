"""`edgecat watch` killed with SIGKILL at 200 random moments while photos keep arriving.

python -m benchmarks.reliability.watch_kill [--seed 0]          with logrotate (apt-get install it)

Some photos are written slowly, some under a temporary name, some are renamed later on. Meanwhile
logrotate rotates the results at random moments, in four ways in turn, and `--rotate` does. Each
photo has a content of its own, so that at the end each content must have exactly one line, an
answer, in the union of all files of the results.
"""

import gzip
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import click
import numpy as np
from PIL import Image

from benchmarks.command import EDGECAT
from benchmarks.results import write_result

_NUM_KILLS = 200

# Killed is up to so long after the start (one in four), or after the process said that it watches:
# so while it starts, reads its results, scans, answers, writes and waits.
_EARLY_S = 0.8
_LATE_S = 1.0
_EARLY_RATIO = 0.25

# Photos per second: about ten arrive from one kill to the next.
_PHOTOS_PER_S = 10

# Time between rotations, mean; at least a second, because logrotate names files by it.
_ROTATION_EVERY_S = 2

# What stands in logrotate's configuration. Packing waits where a process may still write into the
# renamed file, as logrotate's manual says.
_ROTATIONS = {
    "renamed": "nocreate",
    "renamed, new one made": "create 0644\n compress\n delaycompress",
    "copied and truncated": "copytruncate",
    "copied, truncated and packed": "copytruncate\n compress",
}

# The longest pause of a slow upload; longer than --settle, so that half a photo counts as whole
# until it is found to be none.
_LONGEST_PAUSE_S = 0.5
_SETTLE_S = 0.3


def encode_photo(seed: int, folder: Path) -> bytes:
    """Return a JPEG of about 50 kB that no other seed makes."""
    pixels = np.random.default_rng(seed).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    path = folder / "photo.jpg"
    Image.fromarray(pixels).save(path, quality=75)
    return path.read_bytes()


class Camera(threading.Thread):
    """Brings photos, several at a time, until it is told to stop."""

    def __init__(self, folder: Path, scratch: Path, seed: int) -> None:
        """Prepare.

        Args:
            folder: Where photos arrive.
            scratch: Not watched.
            seed: Of what happens, and when.
        """
        super().__init__()
        self.folder = folder
        self.counts: Counter[str] = Counter()
        self._scratch = scratch
        self._rng = random.Random(seed)
        self._stopping = threading.Event()
        self._uploads: list[threading.Thread] = []

    def run(self) -> None:
        """Bring photos."""
        for number in range(sys.maxsize):
            if self._stopping.wait(self._rng.expovariate(_PHOTOS_PER_S)):
                break
            kind = self._rng.choices(
                ["at once", "slowly", "by rename", "renamed later"], [4, 3, 2, 1]
            )[0]
            sub = self._rng.choice(["", "", "north/", "south/deep/"])
            pauses_s = [self._rng.uniform(0, _LONGEST_PAUSE_S) for _ in range(4)]
            data = encode_photo(number, self._scratch)
            path = self.folder / f"{sub}{number}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            upload = threading.Thread(target=self._upload, args=(path, data, kind, pauses_s))
            upload.start()
            self._uploads.append(upload)
            self.counts[kind] += 1

    def stop(self) -> None:
        """Bring no more; return when the last is whole."""
        self._stopping.set()
        self.join()
        for upload in self._uploads:
            upload.join()

    @staticmethod
    def _upload(path: Path, data: bytes, kind: str, pauses_s: list[float]) -> None:
        if kind == "slowly":
            with path.open("wb", buffering=0) as file:
                for number, pause_s in enumerate(pauses_s):
                    part = len(data) // len(pauses_s) + 1
                    file.write(data[number * part : (number + 1) * part])
                    time.sleep(pause_s)
        elif kind == "by rename":
            part = path.with_name(f"{path.name}.part")
            part.write_bytes(data)
            time.sleep(pauses_s[0])
            part.rename(path)
        else:
            path.write_bytes(data)
        if kind == "renamed later":
            time.sleep(sum(pauses_s))
            path.rename(path.with_name(f"renamed-{path.name}"))


class Rotator(threading.Thread):
    """Lets logrotate rotate a results file at random moments until it is told to stop."""

    def __init__(self, out: Path, scratch: Path, seed: int) -> None:
        """Prepare.

        Args:
            out: The results file.
            scratch: Takes logrotate's own files.
            seed: Of the moments.
        """
        super().__init__()
        self.counts: Counter[str] = Counter()
        self._out = out
        self._scratch = scratch
        self._rng = random.Random(seed)
        self._stopping = threading.Event()

    def run(self) -> None:
        """Rotate."""
        configuration = self._scratch / "logrotate.conf"
        while not self._stopping.wait(1 + self._rng.expovariate(1 / (_ROTATION_EVERY_S - 1))):
            kind = self._rng.choice(list(_ROTATIONS))
            # A name of its own for each file, so that none is overwritten.
            configuration.write_text(
                f"{self._out} {{\n rotate 100000\n dateext\n dateformat -%Y%m%d-%s\n notifempty\n"
                f" missingok\n {_ROTATIONS[kind]}\n}}\n"
            )
            num_before = self._count_rotated()
            command = ["logrotate", "--force", "--state", str(self._scratch / "state")]
            subprocess.run([*command, str(configuration)], check=False, capture_output=True)
            self.counts[kind] += self._count_rotated() > num_before

    def stop(self) -> None:
        """Rotate no more."""
        self._stopping.set()
        self.join()

    def _count_rotated(self) -> int:
        return sum(path != self._out for path in list_results(self._out))


def list_results(out: Path) -> list[Path]:
    """Return the files that results went to."""
    return [path for path in out.parent.glob(f"{out.name}*") if ".done.sqlite" not in path.name]


def read_lines(out: Path) -> list[bytes]:
    """Return the lines of all files of the results."""
    lines = []
    for path in list_results(out):
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            lines += file.readlines()
    return lines


@click.command()
@click.option("--seed", default=0, show_default=True)
def main(seed: int) -> None:
    """Kill, count, write down."""
    rng = random.Random(seed)
    started_s = time.monotonic()
    num_torn = 0
    with tempfile.TemporaryDirectory() as top:
        folder, scratch, results = (Path(top) / name for name in ("in", "scratch", "results"))
        for path in (folder, scratch, results):
            path.mkdir()
        out = results / "results.jsonl"
        command = [
            EDGECAT, "watch", "cats12", str(folder),
            "--out", str(out), "--rotate", "1", "--settle", str(_SETTLE_S), "--threads", "1",
        ]  # fmt: skip
        camera = Camera(folder, scratch, seed)
        rotator = Rotator(out, scratch, seed)
        camera.start()
        rotator.start()
        for number in range(_NUM_KILLS):
            process = subprocess.Popen(
                command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
            )
            if rng.random() < _EARLY_RATIO:
                time.sleep(rng.uniform(0, _EARLY_S))
            else:
                process.stderr.readline()
                time.sleep(rng.uniform(0, _LATE_S))
            process.kill()
            process.communicate()
            data = out.read_bytes() if out.exists() else b""
            num_torn += bool(data) and not data.endswith(b"\n")
            print(f"kill {number + 1}: {len(list_results(out))} files", end="\r", flush=True)
        camera.stop()
        rotator.stop()
        subprocess.run([*command, "--once"], check=True)
        lines = [json.loads(line) for line in read_lines(out)]
        num_photos = sum(1 for path in folder.rglob("*") if path.is_file())
    counted = Counter(line["sha256"] for line in lines)
    values = {
        "seed": seed,
        "num_kills": _NUM_KILLS,
        "num_kills_that_tore_a_line": num_torn,
        "num_photos": num_photos,
        "arrived": dict(camera.counts),
        "rotated": dict(rotator.counts),
        "num_lines": len(lines),
        "num_lost": num_photos - len(counted),
        "num_twice": sum(count - 1 for count in counted.values()),
        "num_errors": sum("error" in line for line in lines),
        "duration_s": time.monotonic() - started_s,
    }
    print(json.dumps(values, indent=1))
    write_result("watch_kill", values)


if __name__ == "__main__":
    main()
