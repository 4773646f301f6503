"""Real disks that are small enough to fill; mounted in memory, which needs root."""

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def mount_small_disk(size_bytes: int) -> Iterator[Path]:
    """Yield the folder of a disk of this size."""
    with tempfile.TemporaryDirectory() as folder:
        options = ["-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs"]
        subprocess.run(["mount", *options, folder], check=True)
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", folder], check=True)


def resize(disk: Path, size_bytes: int) -> None:
    """Give a mounted disk another size; what is on it stays."""
    subprocess.run(["mount", "-o", f"remount,size={size_bytes}", disk], check=True)


def fill(disk: Path, room_bytes: int) -> Path:
    """Take all space of a disk, give some bytes back and return the file that has the rest."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    with filler.open("r+b") as file:
        file.truncate(max(0, filler.stat().st_size - room_bytes))
    return filler
