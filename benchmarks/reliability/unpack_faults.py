"""`edgecat bundle unpack` over an old bundle, killed at random moments and on disks too small.

python -m benchmarks.reliability.unpack_faults            (as root: it mounts small disks in memory)

Whatever happens, one of the two bundles must stand whole where the old one stood, with nothing
beside it after the next undisturbed run; and on a disk that was full, that run must succeed once
there is space.
"""

import dataclasses
import os
import random
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path

import click

from benchmarks.command import EDGECAT
from benchmarks.reliability.disks import mount_small_disk, resize
from benchmarks.results import write_result
from edgecat.bundle.archive import pack_bundle, unpack_bundle
from edgecat.bundle.store import load_bundle, new_bundle, write_manifest
from edgecat.errors import StorageError

_SEED = 20_26

# Kills come at most so late, as a share of an undisturbed run from the start of its process.
_MAX_DELAY_RATIO = 1.1


@click.command()
@click.option("--kills", "num_kills", default=200, show_default=True)
@click.option("--disks", "num_disks", default=40, show_default=True, help="Sizes to try.")
def main(num_kills: int, num_disks: int) -> None:
    """Run both, write the result, and fail if a bundle was lost or something was left."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        packed = [_pack(work, name) for name in ("old", "new")]
        rows = {
            "kill -9": _kill(work, packed, num_kills),
            "disk full": _fill(packed, num_disks),
        }
    for name, counts in rows.items():
        print(f"{name}: {dict(counts)}")
    write_result("unpack_faults", {name: dict(counts) for name, counts in rows.items()})
    if any(word.startswith("BROKEN") for counts in rows.values() for word in counts):
        raise SystemExit(1)


def _pack(work: Path, name: str) -> Path:
    """Return a zip file of the released model under another name."""
    released = load_bundle("cats12")
    with new_bundle(work / name) as folder:
        for file, data in released.contents():
            (folder / file).write_bytes(data)
        write_manifest(folder, dataclasses.replace(released.spec, name=name))
    pack_bundle(work / name, work / f"{name}.zip")
    return work / f"{name}.zip"


def _kill(work: Path, packed: list[Path], num_kills: int) -> Counter[str]:
    rng = random.Random(_SEED)
    out = work / "killed" / "bundle"
    unpack_bundle(packed[1], out)
    command = [EDGECAT, "bundle", "unpack", "--out", str(out)]
    started = time.monotonic()
    subprocess.run([*command, str(packed[0])], check=True, stdout=subprocess.DEVNULL)
    max_delay_s = _MAX_DELAY_RATIO * (time.monotonic() - started)
    counts: Counter[str] = Counter()
    for number in range(num_kills):
        archive = packed[(number + 1) % 2]
        process = subprocess.Popen([*command, str(archive)], stdout=subprocess.DEVNULL)
        time.sleep(rng.uniform(0, max_delay_s))
        process.kill()
        moment = "before or during" if process.wait() else "after"
        stands = load_bundle(out).spec.name  # raises if it is not whole
        left = len(os.listdir(out.parent)) > 1
        counts[f"killed {moment} it, {'something' if left else 'nothing'} left for the next"] += 1
        assert stands in ("old", "new")
    unpack_bundle(packed[0], out)
    counts[
        "BROKEN: something left" if os.listdir(out.parent) != ["bundle"] else "tidy at the end"
    ] += 1
    return counts


def _fill(packed: list[Path], num_disks: int) -> Counter[str]:
    size_bytes = packed[0].stat().st_size
    counts: Counter[str] = Counter()
    for number in range(num_disks):
        # From room for the old bundle to room for both.
        disk_bytes = int(size_bytes * (1.02 + 1.1 * number / num_disks))
        with mount_small_disk(disk_bytes) as disk:
            unpack_bundle(packed[0], disk / "bundle")
            try:
                unpack_bundle(packed[1], disk / "bundle")
                wanted = "new"
            except StorageError:
                wanted = "old"
            whole = load_bundle(disk / "bundle").spec.name == wanted
            tidy = os.listdir(disk) == ["bundle"]
            resize(disk, 3 * size_bytes)
            unpack_bundle(packed[1], disk / "bundle")
            goes_on = load_bundle(disk / "bundle").spec.name == "new"
        good = whole and tidy and goes_on
        counts[f"{wanted} one stands" if good else "BROKEN"] += 1
    return counts


if __name__ == "__main__":
    main()
