"""What is mounted where."""

import dataclasses
import os
import re
from pathlib import Path

# File systems whose files take memory, not disk.
_IN_MEMORY = frozenset({"tmpfs", "ramfs"})


@dataclasses.dataclass(frozen=True)
class Mount:
    """A file system, or a part of one, at its place.

    Attributes:
        part: The folder of the file system that is mounted; "/" for all of it.
        point: Where, from the root on.
        kind: "ext4", "tmpfs", "cgroup2".
        options: The file system's own; of a "cgroup", its controllers are among them.
    """

    part: str
    point: str
    kind: str
    options: frozenset[str]


def list_mounts(root: Path = Path("/")) -> list[Mount]:
    """Return all mounts that this process sees; [] where the kernel does not say.

    Source: proc_pid_mountinfo(5).

    Args:
        root: Below it lies proc/self/mountinfo.
    """
    try:
        text = (root / "proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return []
    mounts = []
    for line in text.splitlines():
        own, _, file_system = line.partition(" - ")
        own_fields, fields = own.split(" "), file_system.split(" ")
        if len(own_fields) > 4 and len(fields) > 2:
            part, point = map(_unescape, own_fields[3:5])
            mounts.append(Mount(part, point, fields[0], frozenset(fields[2].split(","))))
    return mounts


def is_in_memory(path: Path, root: Path = Path("/")) -> bool:
    """Return whether a file would take memory instead of disk (tmpfs).

    Args:
        path: Need not exist yet.
        root: As for `list_mounts`.
    """
    real = Path(os.path.realpath(path))
    holding = [mount for mount in list_mounts(root) if real.is_relative_to(mount.point)]
    # The deepest one; of several at the same place, the last one mounted.
    nearest = max(reversed(holding), key=lambda mount: len(mount.point), default=None)
    return nearest is not None and nearest.kind in _IN_MEMORY


def _unescape(path: str) -> str:
    r"""Return a path without the kernel's escapes: "\040" is a blank."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), path)
