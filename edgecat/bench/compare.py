"""Two results of `edgecat benchmark`: what is faster, slower, better or worse, and how surely?"""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np

from edgecat.bench.clock import Median, Speed, judge_speed
from edgecat.bench.report import Report, Row
from edgecat.errors import ConfigError
from edgecat.runtime.device import CPU
from edgecat.scores.metrics import paired_interval_pp

# What has to be the same for times, and for accuracies, to be comparable.
_HOST = ("cpu", "machine", "num_cpus", "num_usable_cores", "features", "governor")
_SETTINGS = ("threads", "device", "order")
_PHOTOS = ("split", "photos_sha256")

_NOTE = (
    "an interval is what its run says of itself; what slowed the whole machine in one of them it "
    "cannot see, 'to fp32' is free of that"
)


@dataclasses.dataclass(frozen=True)
class Limits:
    """What may get worse.

    Attributes:
        max_regress_ratio: How much slower, as a share of the time before; None: as much as it
            likes.
        max_drop_pp: How much top-1 may drop, percentage points; None: as much as it likes.
    """

    max_regress_ratio: float | None = None
    max_drop_pp: float | None = None


@dataclasses.dataclass(frozen=True)
class Change:
    """What became of one variant.

    Attributes:
        variant: Its name.
        latency_ms: The p50 before and after.
        latency_ratio: The p50 after by that before.
        latency_interval: Its 95 % interval, of what each run says of itself.
        speed: "faster" or "slower" only where the interval says so.
        ratio_to_fp32: Before and after; None where not known of both.
        size_bytes: The same.
        drop_pp: Top-1 lost, percentage points, on the same photos; None where not measured.
        drop_interval_pp: Its paired 95 % interval.
        accuracy: "better" or "worse" where at least one answer is.
    """

    variant: str
    latency_ms: tuple[float, float]
    latency_ratio: float
    latency_interval: tuple[float, float]
    speed: Speed
    ratio_to_fp32: tuple[float, float] | None
    size_bytes: tuple[int, int]
    drop_pp: float | None
    drop_interval_pp: tuple[float, float] | None
    accuracy: Literal["better", "worse", "same", "not measured"]


@dataclasses.dataclass(frozen=True)
class ReportComparison:
    """What became of all of them.

    Attributes:
        changes: A variant each that both have.
        only_before: Variants that the later result lacks.
        only_after: Variants that the earlier one lacks.
        differences: Of machine or settings, taken all the same.
        versions: Libraries that changed.
        notes: What a person should not overlook.
        failures: Which limits are broken, in words.
    """

    changes: tuple[Change, ...]
    only_before: tuple[str, ...]
    only_after: tuple[str, ...]
    differences: tuple[str, ...]
    versions: tuple[str, ...]
    notes: tuple[str, ...]
    failures: tuple[str, ...]


def compare_reports(
    before: Report, after: Report, limits: Limits, *, anyway: bool = False
) -> ReportComparison:
    """Compare two results of the same machine, measured in the same way.

    Args:
        before: The earlier one.
        after: The later one.
        limits: What may get worse.
        anyway: Compare results of different machines or settings, too.

    Raises:
        ConfigError: Different machines or settings; no variant is in both; or a limit of accuracy,
            which was not measured on the same photos.
    """
    differences = find_differences(before, after)
    if differences and not anyway:
        raise ConfigError(
            f"the results cannot be compared: {'; '.join(differences)}. Measure both in the same "
            "way on the same machine, which does nothing else, or compare them with --anyway"
        )
    old, new = ({row.variant: row for row in report.rows} for report in (before, after))
    both = [name for name in old if name in new]
    if not both:
        raise ConfigError(
            f"no variant is in both results: {', '.join(old) or 'none'} before, "
            f"{', '.join(new) or 'none'} after; measure the same bundle"
        )
    has_same_photos = not _differ(before.settings, after.settings, _PHOTOS)
    changes = [_compare(old[name], new[name], has_same_photos) for name in both]
    gone = tuple(name for name in old if name not in new)
    return ReportComparison(
        changes=tuple(changes),
        only_before=gone,
        only_after=tuple(name for name in new if name not in old),
        differences=differences,
        versions=tuple(_differ(_versions(before), _versions(after))),
        notes=(_NOTE,),
        failures=tuple(_find_failures(changes, gone, limits)),
    )


def find_differences(before: Report, after: Report) -> tuple[str, ...]:
    """Return what keeps two results from being comparable, in words; noise does, too."""
    measured = all(report.settings.get("photos_sha256") for report in (before, after))
    settings = (*_SETTINGS, *_PHOTOS) if measured else _SETTINGS
    return (
        *_differ(before.host, after.host, _HOST),
        # Results of before there was a choice of device are of the CPU.
        *_differ({"device": CPU} | before.settings, {"device": CPU} | after.settings, settings),
        *_find_rivals(before, after),
        *(
            f"the {name} result is {report.noise.describe()}"
            for name, report in (("earlier", before), ("later", after))
            if report.noise.verdict == "too noisy"
        ),
    )


def _find_rivals(before: Report, after: Report) -> Iterator[str]:
    """Yield which variants slowed the others down in one of two results only.

    With more threads than one, the pools of all variants share the cores.
    """
    threads = {report.settings.get("threads", 1) for report in (before, after)}
    names, others = ({row.variant for row in report.rows} for report in (before, after))
    if threads != {1} and len(threads) == 1 and names != others:
        yield f"{', '.join(sorted(names ^ others))} shared the cores in one of them only"


def _differ(
    before: dict[str, Any], after: dict[str, Any], names: tuple[str, ...] | None = None
) -> list[str]:
    return [
        f"{name} {_show(before.get(name))} and {_show(after.get(name))}"
        for name in names or sorted({*before, *after})
        if before.get(name) != after.get(name)
    ]


def _versions(report: Report) -> dict[str, Any]:
    found = report.host.get("versions")
    return found if isinstance(found, dict) else {}


def _show(value: object) -> str:
    text = " ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _compare(old: Row, new: Row, has_same_photos: bool) -> Change:
    ratio = _find_median(new).by(_find_median(old))
    drop_pp, drop_interval_pp = _find_drop(old, new) if has_same_photos else (None, None)
    return Change(
        variant=old.variant,
        latency_ms=(old.latency_ms["p50"], new.latency_ms["p50"]),
        latency_ratio=ratio.value,
        latency_interval=ratio.interval,
        speed=judge_speed(ratio),
        ratio_to_fp32=_pair(old.ratio_to_fp32, new.ratio_to_fp32),
        size_bytes=(old.size_bytes, new.size_bytes),
        drop_pp=drop_pp,
        drop_interval_pp=drop_interval_pp,
        accuracy=_judge_accuracy(drop_pp),
    )


def _find_median(row: Row) -> Median:
    return Median(row.latency_ms["p50"], row.latency_interval_ms)


def _find_failures(changes: Sequence[Change], gone: Sequence[str], limits: Limits) -> Iterator[str]:
    """Yield which limits are broken.

    Raises:
        ConfigError: A limit of accuracy, and it was not measured on the same photos.
    """
    max_regress, max_drop_pp = limits.max_regress_ratio, limits.max_drop_pp
    if max_regress is not None or max_drop_pp is not None:
        yield from (f"{name}: is gone" for name in gone)
    for change in changes:
        slower = change.latency_ratio - 1
        if max_regress is not None and change.speed == "slower" and slower > max_regress:
            yield (
                f"{change.variant}: {100 * slower:.1f} % slower, allowed are "
                f"{100 * max_regress:g} %"
            )
        if max_drop_pp is None:
            continue
        if change.drop_pp is None:
            raise ConfigError(
                f"--max-drop: the accuracy of {change.variant} was not measured on the same photos "
                "both times; run edgecat benchmark with the same --data"
            )
        if change.drop_pp > max_drop_pp:
            yield f"{change.variant}: loses {change.drop_pp:.2f} pp, allowed are {max_drop_pp:g}"


def _pair(old: float | None, new: float | None) -> tuple[float, float] | None:
    return None if old is None or new is None else (old, new)


def _judge_accuracy(drop_pp: float | None) -> Literal["better", "worse", "same", "not measured"]:
    if drop_pp is None:
        return "not measured"
    if drop_pp == 0:
        return "same"
    return "worse" if drop_pp > 0 else "better"


def _find_drop(old: Row, new: Row) -> tuple[float | None, tuple[float, float] | None]:
    """Return the top-1 lost, percentage points, and its paired interval; both photos the same."""
    if old.right is None or new.right is None or len(old.right) != len(new.right):
        return None, None
    was_right, is_right = (np.array(list(right)) == "1" for right in (old.right, new.right))
    num_lost, num_gained = int((was_right & ~is_right).sum()), int((is_right & ~was_right).sum())
    drop_pp = 100 * (num_lost - num_gained) / max(1, len(was_right))
    return drop_pp, paired_interval_pp(num_lost, num_gained, len(was_right))
