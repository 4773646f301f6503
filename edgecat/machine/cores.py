"""How many threads pay off: cores, affinity and CPU quotas, whichever is least."""

import dataclasses
import os
from collections.abc import Iterable
from pathlib import Path

from edgecat.machine.cgroups import list_groups, parse_number, read_number, read_words

_CPUS = "sys/devices/system/cpu"

#: More threads than any processor has.
MAX_THREADS = 4096


@dataclasses.dataclass(frozen=True)
class Cores:
    """What this process may compute with.

    Attributes:
        num_physical: Cores of the machine.
        num_allowed: Of these, the ones that its affinity (taskset, cpusets) lets it run on.
        quota: How many processors' time its control groups (containers, systemd's CPUQuota)
            grant it; None where they set no bound.
    """

    num_physical: int
    num_allowed: int
    quota: float | None = None

    @property
    def num_threads(self) -> int:
        """Return how many threads to compute with, at least 1.

        A quota is rounded down: with 1.5 processors a second thread adds no answers, and the
        kernel stops both in the midst of one (benchmarks/results/*/cpu_quota.json).
        """
        bounds = [self.num_physical, self.num_allowed]
        if self.quota is not None:
            bounds.append(int(self.quota))
        return max(1, min(bounds))

    @property
    def bound(self) -> str:
        """Return which one decides: "cores", "affinity" or "quota"."""
        if self.quota is not None and self.quota < min(self.num_physical, self.num_allowed):
            return "quota"
        return "affinity" if self.num_allowed < self.num_physical else "cores"


def count_threads() -> int:
    """Return how many threads this process had best compute with."""
    return read_cores().num_threads


def read_cores(root: Path = Path("/")) -> Cores:
    """Return what this process may compute with.

    Args:
        root: Below it lie /proc and /sys; without their files, Python's count is taken.
    """
    online = _parse_list(read_words(root / _CPUS, "online")) or set(range(os.cpu_count() or 1))
    allowed = online & _read_affinity(root) or online
    return Cores(
        num_physical=_count_physical(root, online),
        num_allowed=_count_physical(root, allowed),
        quota=min(_read_quotas(root), default=None),
    )


def _count_physical(root: Path, cpus: Iterable[int]) -> int:
    """Return on how many cores these processors are.

    Two hyper-threads share one multiplier, so a thread for each gains nothing in a model that is
    all multiplications.
    """
    files = {cpu: root / _CPUS / f"cpu{cpu}/topology" for cpu in cpus}
    return len(
        {tuple(read_words(file, "thread_siblings_list")) or cpu for cpu, file in files.items()}
    )


def _read_affinity(root: Path) -> set[int]:
    """Return the processors on which this process may run; none where the kernel does not say."""
    words = read_words(root, "proc/self/status")
    field = "Cpus_allowed_list:"
    return _parse_list(words[words.index(field) + 1 :]) if field in words else set()


def _parse_list(words: list[str]) -> set[int]:
    """Return the processors of a list as the kernel writes it, "0-3,8"; {} of anything else."""
    found: set[int] = set()
    for part in words[0].split(",") if words else ():
        first, dash, last = part.partition("-")
        low, high = parse_number([first]), parse_number([last] if dash else [first])
        if low is None or high is None:
            return set()
        found.update(range(low, high + 1))
    return found


def _read_quotas(root: Path) -> Iterable[float]:
    """Yield the quota, in processors, of each control group that has one.

    Source: the kernel's Documentation/admin-guide/cgroup-v2.rst (cpu.max) and
    Documentation/scheduler/sched-bwc.rst (cpu.cfs_quota_us).
    """
    for group in list_groups("cpu", root):
        first, second = (*read_words(group, "cpu.max"), "", "")[:2]
        yield from _divide(parse_number([first]), parse_number([second]))
        quota_us = read_number(group, "cpu.cfs_quota_us")
        yield from _divide(quota_us, read_number(group, "cpu.cfs_period_us"))


def _divide(quota_us: int | None, period_us: int | None) -> Iterable[float]:
    if quota_us and period_us:
        yield quota_us / period_us
