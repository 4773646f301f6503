"""Does memory stay the same for ten times as many photos, far more than there is room for?

python -m benchmarks.accuracy.many_photos --work FOLDER

Photos are drawn, each another one, and a network learns one epoch of them with crops of 64 px, in
a process of its own. What it holds for itself is seen every half second; decoded photos, which lie
in a file, do not count, since the system takes their memory back when it needs it. On a disk with
less room than they need (as with FOLDER on "mount -t tmpfs -o size=4G"), the rest is decoded again
at each use. The larger run of many_photos.json (size=3G) was stopped for 41 minutes, and shared the
machine with tests: its seconds mean nothing.
"""

import itertools
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import click
import numpy as np
from PIL import Image

from benchmarks.results import write_result
from edgecat.atomic import new_folder

_LABELS = tuple(f"class {number}" for number in range(10))

_SETTINGS = (
    "epochs=1", "head_epochs=0", "batch_size=256", "crop_side_px=64", "colour_jitter=0.0",
    "ema_decay=0.0", "val_ratio=0.02", "test_ratio=0.02",
)  # fmt: skip

_LOOK_S = 0.5


@click.command()
@click.option("--work", type=click.Path(path_type=Path), default="runs/many", show_default=True)
@click.option("--num", "nums", type=int, multiple=True, default=(20_000, 200_000))
def main(work: Path, nums: tuple[int, ...]) -> None:
    """Measure runs with few and many photos."""
    rows = []
    for num in nums:
        photos = work / f"{num}-photos"
        if not photos.exists():
            draw_photos(photos, num)
        rows.append({"num_photos": num} | measure(photos, work / f"{num}-run"))
        click.echo(rows[-1])
    write_result("many_photos", {"settings": list(_SETTINGS), "rows": rows})


def draw_photos(folder: Path, num: int) -> None:
    """Draw JPEGs of 128 x 96 px, class after class; a class is a colour."""
    rng = np.random.default_rng(num)
    tints = np.array([*itertools.product((0, 80, 160), repeat=3)], np.uint8)[:: 27 // len(_LABELS)]
    with new_folder(folder) as new:
        for label in _LABELS:
            (new / label).mkdir()
        for number in range(num):
            kind = number % len(_LABELS)
            blotches = rng.integers(0, 96, (12, 16, 3), dtype=np.uint8) + tints[kind]
            photo = Image.fromarray(blotches).resize((128, 96), Image.Resampling.BICUBIC)
            photo.save(new / _LABELS[kind] / f"{number:06}.jpg")


def measure(photos: Path, run: Path) -> dict[str, Any]:
    """Fine-tune once.

    Returns:
        "peak_bytes" of memory that is the process's own, "duration_s", and "num_decoded_again":
        photos for which the disk had no room.

    Raises:
        click.ClickException: It failed.
    """
    command = [
        sys.executable, "-m", "edgecat", "finetune", str(photos), "--out", str(run),
        "--weights", "cats12", *(f"--set={setting}" for setting in _SETTINGS),
    ]  # fmt: skip
    started, peak_bytes = time.perf_counter(), 0
    log = run.with_suffix(".log")
    with log.open("w") as out, subprocess.Popen(command, stdout=out, stderr=out) as process:
        while process.poll() is None:
            peak_bytes = max(peak_bytes, _read_own_bytes(process.pid))
            time.sleep(_LOOK_S)
    text = log.read_text()
    if process.returncode:
        raise click.ClickException(f"finetune ended with {process.returncode}: {text[-2000:]}")
    left = re.search(r"(\d+) are decoded again", text)
    return {
        "peak_bytes": peak_bytes,
        "duration_s": time.perf_counter() - started,
        "num_decoded_again": int(left[1]) if left else 0,
    }


def _read_own_bytes(pid: int) -> int:
    """Return a process's anonymous memory; 0 if it has just ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = re.search(r"^RssAnon:\s+(\d+) kB$", status, re.MULTILINE)
    return 1024 * int(found[1]) if found else 0


if __name__ == "__main__":
    main()
