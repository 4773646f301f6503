"""Where the time of a photo goes: per operator, as the engines report it."""

import contextlib
import dataclasses
import statistics
from collections.abc import Sequence

import numpy as np

from edgecat.bench.clock import time_ms
from edgecat.bench.report import format_table
from edgecat.bundle.store import Bundle
from edgecat.errors import ConfigError
from edgecat.photos.pixels import Pixels
from edgecat.runtime.choice import open_engine
from edgecat.runtime.device import Resources, name_on
from edgecat.runtime.engine import Engine
from edgecat.runtime.operators import OperatorTime, profile_operators

#: Timed answers: a median of 50 is steady enough to tell the large operators from the small.
NUM_RUNS = 50

# Operators that are listed; a model of ours has 170, one of a stranger may have any number.
_MAX_OPERATORS = 1000

# Characters of a name that a table shows.
_MAX_NAME = 44


@dataclasses.dataclass(frozen=True)
class Share:
    """What an operator, or all of a kind, takes of a photo.

    Attributes:
        name: The operator's, or the kind's.
        kind: What it does, in the engine's words.
        precision: What it computes in, where the engine tells.
        num_operators: How many these are.
        time_us: Microseconds a photo, median; of several their sum.
        ratio: By the sum of all operators, 0-1.
    """

    name: str
    kind: str
    precision: str
    num_operators: int
    time_us: float
    ratio: float


@dataclasses.dataclass(frozen=True)
class VariantProfile:
    """One variant, operator by operator.

    Attributes:
        variant: Its name.
        device: It computed on.
        precision: What the engine says that it computes in.
        latency_ms: Of a photo without any profiling, median.
        operators_ms: The sum of all operators, each its median.
        num_operators: That took any time.
        kinds: By what they do, the dearest first.
        operators: The dearest first, at most 1000.
    """

    variant: str
    device: str
    precision: str
    latency_ms: float
    operators_ms: float
    num_operators: int
    kinds: tuple[Share, ...]
    operators: tuple[Share, ...]


def profile_variants(
    bundle: Bundle, variants: Sequence[str], resources: Resources, num_runs: int = NUM_RUNS
) -> tuple[VariantProfile, ...]:
    """Measure each operator of one or two variants.

    Args:
        bundle: Verified.
        variants: Names of its variants.
        resources: To compute with.
        num_runs: Timed answers.

    Raises:
        ConfigError: No variant, more than two, or the same one twice.
        EngineError: One does not open here, or its engine does not report the time of operators.
        BundleError: The bundle has no such variant.
        StorageError: The temporary folder is full.
    """
    if not 1 <= len(set(variants)) == len(variants) <= 2:
        raise ConfigError(
            f"--variant {', '.join(variants)}: accepted are one, or two different ones to be laid "
            "side by side, such as --variant A --variant B"
        )
    # Noise, seeded: the time of an operator does not depend on the picture.
    shape = (1, *bundle.spec.input.shape)
    photo = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    return tuple(_profile(bundle, name, resources, photo, num_runs) for name in variants)


def _profile(
    bundle: Bundle, name: str, resources: Resources, photo: Pixels, num_runs: int
) -> VariantProfile:
    opened = open_engine(bundle, name, resources.threads, device=resources.device)
    with contextlib.closing(opened) as engine:
        latency_ms = _measure_ms(engine, photo, num_runs)
        operators = profile_operators(engine, photo, num_runs)
        precision = engine.describe()["effective_precision"]
    shares = _share_out(operators)
    return VariantProfile(
        variant=name,
        device=resources.device,
        precision=precision,
        latency_ms=latency_ms,
        operators_ms=sum(share.time_us for share in shares) / 1e3,
        num_operators=len(shares),
        kinds=_sum_up(shares),
        operators=shares[:_MAX_OPERATORS],
    )


def _measure_ms(engine: Engine, photo: Pixels, num_runs: int) -> float:
    return statistics.median(time_ms(lambda: engine.run(photo)) for _ in range(num_runs))


def _share_out(operators: Sequence[OperatorTime]) -> tuple[Share, ...]:
    """Return the operators that take any time, the dearest first."""
    medians = [statistics.median(operator.times_us) for operator in operators]
    total = sum(medians)
    shares = [
        Share(each.name, each.kind, each.precision, 1, time_us, time_us / total)
        for each, time_us in zip(operators, medians, strict=True)
        if time_us > 0
    ]
    return tuple(sorted(shares, key=lambda share: -share.time_us))


def _sum_up(shares: Sequence[Share]) -> tuple[Share, ...]:
    """Return the sums of all operators of a kind and precision."""
    groups: dict[tuple[str, str], list[Share]] = {}
    for share in shares:
        groups.setdefault((share.kind, share.precision), []).append(share)
    sums = [
        Share(
            kind, kind, precision, len(group),
            sum(share.time_us for share in group), sum(share.ratio for share in group),
        )
        for (kind, precision), group in groups.items()
    ]  # fmt: skip
    return tuple(sorted(sums, key=lambda share: -share.time_us))


def format_profiles(profiles: Sequence[VariantProfile], top: int) -> str:
    """Return tables: what each kind takes, side by side; then each one's dearest operators.

    Args:
        profiles: One or two.
        top: Lines of each table, at most.
    """
    parts = [_format_kinds(profiles, top)]
    for profile in profiles:
        lines = [("operator", "kind", "in", "us", "share")]
        lines += [
            (_shorten(each.name), each.kind, each.precision, *_cells(each))
            for each in profile.operators[:top]
        ]
        left = _describe_rest(profile.operators[top:])
        place = name_on(profile.variant, profile.device)
        parts.append(f"{place}, the dearest operators\n{format_table(lines)}{left}")
    return "\n\n".join([*parts, "\n".join(map(_describe, profiles))])


def _format_kinds(profiles: Sequence[VariantProfile], top: int) -> str:
    """Return sums by kind, columns for each profile; the first line is the dearest of any."""
    found = [{_title(share): share for share in profile.kinds} for profile in profiles]
    largest: dict[str, float] = {}
    for each in found:
        for title, share in each.items():
            largest[title] = max(share.ratio, largest.get(title, 0.0))
    titles = sorted(largest, key=lambda title: -largest[title])
    heads = [cell for profile in profiles for cell in ("n", f"{profile.variant} us", "share")]
    lines = [("kind", *heads)]
    for title in titles[:top]:
        cells = [
            cell
            for each in found
            for cell in (
                (str(each[title].num_operators), *_cells(each[title]))
                if title in each
                else ("", "", "")
            )
        ]
        lines.append((title, *cells))
    left = f"\n{len(titles) - top} more kinds" if len(titles) > top else ""
    return format_table(lines) + left


def _title(share: Share) -> str:
    return f"{share.kind} {share.precision}".rstrip()


def _cells(share: Share) -> tuple[str, str]:
    return f"{share.time_us:.1f}", f"{100 * share.ratio:.1f} %"


def _shorten(name: str) -> str:
    return name if len(name) <= _MAX_NAME else f"...{name[-_MAX_NAME + 3 :]}"


def _describe_rest(rest: Sequence[Share]) -> str:
    if not rest:
        return ""
    time_us, ratio = sum(each.time_us for each in rest), sum(each.ratio for each in rest)
    return f"\n{len(rest)} more: {time_us:.1f} us, {100 * ratio:.1f} %"


def _describe(profile: VariantProfile) -> str:
    return (
        f"{name_on(profile.variant, profile.device)}: {profile.num_operators} operators, "
        f"{profile.operators_ms:.2f} ms in all; a photo takes {profile.latency_ms:.2f} ms when "
        f"nobody looks; computes in {profile.precision}"
    )
