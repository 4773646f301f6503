"""What `edgecat tune` found out on this machine, and whether it still holds.

It is kept in a file outside of the bundle, which stays as it was signed. Whoever can write that
file can choose among the bundle's own variants and a number of threads that this process may use
anyway, and nothing else: all other values in it are only shown.
"""

import dataclasses
import datetime
import hashlib
import platform
from collections.abc import Sequence

from edgecat import __version__
from edgecat.bundle.plain import check_plain
from edgecat.bundle.store import Bundle
from edgecat.errors import BundleError, EngineError
from edgecat.machine.conditions import Conditions
from edgecat.machine.cores import MAX_THREADS, read_cores
from edgecat.machine.cpu import list_features, name_processor, read_cpuinfo
from edgecat.machine.noise import Noise
from edgecat.machine.packages import list_versions
from edgecat.runtime.device import CPU, name_on
from edgecat.runtime.engine import find_engine
from edgecat.scores.bounds import (
    DROPS_PP,
    LATENCY_RATIOS,
    check_count,
    check_interval,
    check_latencies,
    check_within,
)
from edgecat.strict import build, read_json, to_json

SCHEMA_VERSION = 1

# A thread more is a core less for everything else, and heat: what fewer come within of the fastest
# is not worth it.
_MIN_GAIN_RATIO = 0.05


@dataclasses.dataclass(frozen=True)
class Setting:
    """All that the speed of a bundle's variants depends on; of another one nothing is known.

    Attributes:
        manifest_sha256: Hex SHA-256 of the bundle's manifest, and so of all of it.
        processor: As it calls itself.
        machine: Its architecture: "aarch64".
        features: Those of `edgecat.machine.cpu.FEATURES` that it has.
        num_cores: Of the machine, whatever this process may use of them.
        versions: Of edgecat and of the engines of the bundle, by package; only of what is there.
    """

    manifest_sha256: str
    processor: str
    machine: str
    features: tuple[str, ...]
    num_cores: int
    versions: dict[str, str]

    def find_difference(self, now: "Setting") -> str:
        """Return what is another one now, in words; "" if nothing is."""
        if self.manifest_sha256 != now.manifest_sha256:
            return "it is of another bundle"
        if self.versions != now.versions:
            changed = sorted(
                name
                for name in {*self.versions, *now.versions}
                if self.versions.get(name) != now.versions.get(name)
            )
            return "; ".join(
                f"{name} was {self.versions.get(name, 'not installed')} and is "
                f"{now.versions.get(name, 'not installed')} now"
                for name in changed
            )
        if self != now:
            return f"it is of another processor: {self._name()}; this is {now._name()}"
        return ""

    def _name(self) -> str:
        return f"{self.processor or self.machine} with {self.num_cores} cores"


@dataclasses.dataclass(frozen=True)
class Timing:
    """One variant with a number of threads, measured.

    Attributes:
        variant: Its name.
        threads: It computed with.
        precision: What the engine said that it computes in.
        latency_ms: "p50", "p95", "p99" of single photos, decoded already.
        ratio: Its latency by that of the reference, of the least disturbed photo of a turn each,
            round by round, median.
        ratio_interval: Its 95 % interval.
        num_rounds: Of taking turns.
        num_photos: Timed, in all of them.
        unfit: Why it is not chosen, however fast; "" if it may be.
        device: It computed on.
    """

    variant: str
    threads: int
    precision: str
    latency_ms: dict[str, float]
    ratio: float
    ratio_interval: tuple[float, float]
    num_rounds: int
    num_photos: int
    unfit: str = ""
    device: str = CPU

    @property
    def place(self) -> str:
        """Return the variant, and the device if it is another one than the CPU."""
        return name_on(self.variant, self.device)

    def __post_init__(self) -> None:
        """Check that each number can be what it is called.

        Raises:
            ValueError: One that cannot.
        """
        check_within("threads", self.threads, (1, MAX_THREADS))
        check_within("ratio", self.ratio, LATENCY_RATIOS)
        check_interval("ratio_interval", self.ratio_interval, LATENCY_RATIOS)
        check_latencies("latency_ms", self.latency_ms, ("p50", "p95", "p99"))
        check_count("num_rounds", self.num_rounds)
        check_count("num_photos", self.num_photos)


@dataclasses.dataclass(frozen=True)
class Accuracy:
    """What a variant loses on labelled photos, as this machine answers them.

    Attributes:
        num_images: Photos.
        drop_pp: Top-1 lost against the bundle's first variant, percentage points.
        drop_interval_pp: Its paired 95 % interval.
    """

    num_images: int
    drop_pp: float
    drop_interval_pp: tuple[float, float]

    def __post_init__(self) -> None:
        """Check that each number can be what it is called.

        Raises:
            ValueError: One that cannot.
        """
        check_count("num_images", self.num_images)
        check_within("drop_pp", self.drop_pp, DROPS_PP)
        check_interval("drop_interval_pp", self.drop_interval_pp, DROPS_PP)


@dataclasses.dataclass(frozen=True)
class Tuning:
    """What was measured, and what follows from it.

    Attributes:
        variant: The fastest that may be chosen.
        threads: With which it is.
        setting: Of which it holds.
        reference: What ratios are to: a variant, with one thread.
        date: When it was measured, UTC: "2026-11-28T10:20:30Z".
        is_partial: Whether somebody ended it before all was measured.
        timings: All that was, the fastest first.
        before: The machine, before it began.
        after: And when it ended.
        noise: How far the times can be trusted.
        accuracies: By variant, as `edgecat.runtime.device.name_on` calls it, where labelled photos
            were given.
        skipped: Variants that were not measured, and why.
        device: On which it is.
        schema_version: Of this form; another one has other keys, or means others.
    """

    variant: str
    threads: int
    setting: Setting
    reference: str
    date: str
    is_partial: bool
    timings: tuple[Timing, ...]
    before: Conditions
    after: Conditions
    noise: Noise
    accuracies: dict[str, Accuracy] = dataclasses.field(default_factory=dict)
    skipped: dict[str, str] = dataclasses.field(default_factory=dict)
    device: str = CPU
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        """Check that the choice follows from what was measured.

        Raises:
            ValueError: It does not, or a text would harm a terminal, or it is of another version.
        """
        check_plain(self, "tuning")
        if self.schema_version != SCHEMA_VERSION:
            raise ValueError(f"schema_version {self.schema_version}: read is {SCHEMA_VERSION}")
        datetime.datetime.strptime(self.date, "%Y-%m-%dT%H:%M:%SZ")
        found = find_fastest(self.timings)
        chosen = (self.variant, self.threads, self.device)
        if found is None or (found.variant, found.threads, found.device) != chosen:
            raise ValueError("its choice is not what follows from its own measurements")

    def find(
        self,
        variant: str | None,
        threads: int | None,
        max_threads: int,
        device: str | None = None,
    ) -> Timing | None:
        """Return what is the fastest within what was asked for; None if that was not measured.

        Args:
            variant: As for `find_fastest`.
            threads: With no other number of threads; None for any.
            max_threads: As for `find_fastest`.
            device: On no other one; None for the CPU, and any other on which it may be chosen:
                who asks for a variant has not asked for answers there that nobody has proven.
        """
        timings = [
            each
            for each in self.timings
            if threads in (None, each.threads)
            and (each.device == device if device else each.device == CPU or not each.unfit)
        ]
        return find_fastest(timings, variant, max_threads)

    def to_json(self) -> str:
        """Return the file's text."""
        return to_json(dataclasses.asdict(self), indent=1) + "\n"

    @staticmethod
    def from_json(text: bytes, where: str) -> "Tuning":
        """Read what `to_json` wrote.

        Args:
            text: JSON, UTF-8.
            where: The file's name, for messages.

        Raises:
            BundleError: It is something else.
        """
        return build(Tuning, read_json(text, where, BundleError), where, BundleError)


def find_fastest(
    timings: Sequence[Timing], variant: str | None = None, max_threads: int = MAX_THREADS
) -> Timing | None:
    """Return the fastest that may be chosen; None if none may.

    Of the fewest threads with which anything comes within 5 % of the very fastest.

    Args:
        timings: All that was measured.
        variant: Look among those of this variant only; whoever asks for it has chosen it, so that
            it may be unfit.
        max_threads: More are not to be had.
    """
    fit = [
        timing
        for timing in timings
        if timing.threads <= max_threads
        and (not timing.unfit if variant is None else timing.variant == variant)
    ]
    best = min(fit, key=lambda timing: timing.ratio, default=None)
    if best is None:
        return None
    as_fast = [each for each in fit if each.ratio * (1 - _MIN_GAIN_RATIO) <= best.ratio]
    return min(as_fast, key=lambda timing: (timing.threads, timing.ratio))


def describe_setting(bundle: Bundle) -> Setting:
    """Return what the speed of a bundle's variants depends on here and now."""
    cpuinfo = read_cpuinfo()
    return Setting(
        manifest_sha256=hashlib.sha256(bundle.manifest).hexdigest(),
        processor=name_processor(cpuinfo),
        machine=platform.machine(),
        features=tuple(list_features(cpuinfo)),
        num_cores=read_cores().num_physical,
        versions={"edgecat": __version__} | list_versions(_list_packages(bundle)),
    )


def _list_packages(bundle: Bundle) -> list[str]:
    packages = []
    for variant in bundle.spec.variants:
        try:
            packages.append(find_engine(variant).package)
        except EngineError:  # of an edgecat that knows more engines: it does not open here
            continue
    return packages
