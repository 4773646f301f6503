"""Where the limits of containers and services stand: the control groups of this process."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from edgecat.machine.mounts import Mount, list_mounts


def list_groups(controller: str, root: Path = Path("/")) -> list[Path]:
    """Return the folders of this process's control group and of all above it, its own first.

    A limit of any of them holds. Both versions are listed, each with files of other names.

    Source: cgroups(7).

    Args:
        controller: "cpu" or "memory".
        root: Below it lie proc/self/cgroup, proc/self/mountinfo and what is mounted.
    """
    try:
        lines = (
            (root / "proc/self/cgroup")
            .read_text(encoding="utf-8", errors="surrogateescape")
            .splitlines()
        )
    except OSError:
        return []
    mounts = list_mounts(root)
    folders = []
    for line in lines:
        number, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        if controller in controllers.split(","):
            mount = _find(mounts, "cgroup", controller)
        elif number == "0" and not controllers:
            mount = _find(mounts, "cgroup2")
        else:
            continue
        if mount is not None:
            folders += _climb(root, mount, group)
    return folders


def read_number(folder: Path, name: str) -> int | None:
    """Return the number in a group's file; None where it is missing or says "max"."""
    return parse_number(read_words(folder, name)[:1])


def read_words(folder: Path, name: str) -> list[str]:
    """Return the words in a group's file; [] where it is missing."""
    try:
        return (folder / name).read_text(encoding="utf-8", errors="replace").split()
    except OSError:
        return []


def parse_number(words: Sequence[str]) -> int | None:
    """Return the first word as a number from 0; None if it is none, as "max" and "-1" are."""
    return int(words[0]) if words and words[0].isascii() and words[0].isdigit() else None


def _find(mounts: Sequence[Mount], kind: str, controller: str | None = None) -> Mount | None:
    for mount in mounts:
        if mount.kind == kind and (controller is None or controller in mount.options):
            return mount
    return None


def _climb(root: Path, mount: Mount, group: str) -> list[Path]:
    """Return a group's folder and those above it, up to the mount.

    A container may be told its group's path on the host, and see only that group, mounted.
    """
    path, part = PurePosixPath(group), PurePosixPath(mount.part)
    is_seen = path.is_relative_to(part) and ".." not in path.parts
    inner = path.relative_to(part) if is_seen else PurePosixPath()
    top = root / mount.point.lstrip("/")
    return [top / step for step in (inner, *inner.parents)]
