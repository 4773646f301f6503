"""How much memory is left for this process, and the most that it has taken.

Left is the machine's, or what its control groups grant.
"""

import contextlib
import dataclasses
import resource
import sys
from collections.abc import Iterator
from pathlib import Path

from edgecat.machine.cgroups import list_groups, parse_number, read_number, read_words

# The files of a control group, by version: its limit, what it uses, and, in memory.stat, what of
# that are files that nobody has touched for a while, which the kernel drops before it kills.
_FILES = (
    ("memory.max", "memory.current", "inactive_file"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)


@dataclasses.dataclass(frozen=True)
class FreeMemory:
    """What can still be taken.

    Attributes:
        size_bytes: How much.
        limit_bytes: Of the control group that leaves the least; None where the machine does.
    """

    size_bytes: int
    limit_bytes: int | None = None


def read_free_memory(root: Path = Path("/")) -> FreeMemory | None:
    """Return what is left for this process; None where the kernel does not say.

    Args:
        root: Below it lie /proc and /sys.
    """
    found = [*_read_machine(root), *_read_groups(root)]
    return min(found, key=lambda free: free.size_bytes, default=None)


@contextlib.contextmanager
def limit_memory(size_bytes: int) -> Iterator[None]:
    """Let this process take only so much more for a block: what it asks beyond that is refused.

    Else the kernel, which promises more than there is, would end the process without a word. Where
    it does not say how much a process has, nothing happens.

    Args:
        size_bytes: Of addresses, which are never fewer than the memory behind them.
    """
    words = read_words(Path("/proc/self"), "status")
    if "VmSize:" not in words:
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    wanted = 1024 * int(words[words.index("VmSize:") + 1]) + size_bytes
    bounds = [bound for bound in (soft, hard, wanted) if bound != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_AS, (min(bounds), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def peak_rss_bytes() -> int:
    """Return this process's peak memory.

    Not from `getrusage` on Linux: its peak is handed down by the process that started this one.
    """
    try:
        status = Path("/proc/self/status").read_text(encoding="utf-8")
        return 1024 * int(status.partition("VmHWM:")[2].split()[0])
    except (OSError, IndexError):  # macOS counts in bytes; a sandbox's kernel may not say VmHWM
        unit = 1 if sys.platform == "darwin" else 1024
        return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _read_machine(root: Path) -> Iterator[FreeMemory]:
    words = read_words(root, "proc/meminfo")
    if "MemAvailable:" in words:
        free_kb = parse_number(words[words.index("MemAvailable:") + 1 :])
        if free_kb is not None:
            yield FreeMemory(1024 * free_kb)


def _read_groups(root: Path) -> Iterator[FreeMemory]:
    for group in list_groups("memory", root):
        for limit_file, usage_file, reclaimable in _FILES:
            limit_bytes, used_bytes = read_number(group, limit_file), read_number(group, usage_file)
            if limit_bytes is not None and used_bytes is not None:
                used_bytes -= _read_statistic(group, reclaimable)
                yield FreeMemory(max(0, limit_bytes - used_bytes), limit_bytes)


def _read_statistic(group: Path, name: str) -> int:
    words = read_words(group, "memory.stat")
    return parse_number(words[words.index(name) + 1 :]) or 0 if name in words else 0
