"""Which variant is fastest on this machine, and with how many threads? Measure, then choose."""

import base64
import dataclasses
import datetime
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from edgecat.bench.clock import interval_margin
from edgecat.bundle.golden import load_golden
from edgecat.bundle.manifest import ModelSpec
from edgecat.bundle.store import Bundle
from edgecat.errors import BundleError, EngineError, ImageError
from edgecat.machine.conditions import read_conditions
from edgecat.machine.cores import count_threads
from edgecat.machine.noise import judge_noise
from edgecat.photos.folder import find_photos
from edgecat.photos.pixels import Pixels, load_pixels
from edgecat.progress import Progress
from edgecat.runtime.apart import run_apart
from edgecat.runtime.device import CPU
from edgecat.runtime.engine import check_device, has_devices
from edgecat.runtime.target import detect_target
from edgecat.runtime.tuning import Accuracy, Timing, Tuning, describe_setting, find_fastest
from edgecat.scores.compare import AccuracyChange
from edgecat.tune.accuracy import find_max_drop_pp, measure_changes
from edgecat.tune.race import Outcome, Race, run_race
from edgecat.tune.worker import Candidate, start_timer

# Photos of `--data` that are timed: decoded they are 2 MB.
_NUM_PHOTOS = 16

# Up to so many threads each number is tried, from there on doublings.
_MAX_EACH = 4


@dataclasses.dataclass(frozen=True)
class TuneJob:
    """What to measure, and how long.

    Attributes:
        bundle: Verified.
        seconds: What timing may take; opening, self-tests and `data` come on top.
        data: Labelled photos, to measure the accuracy on and to be timed; None for neither.
        devices: On each of which those variants are measured whose engine has it.
        is_stopping: Whether somebody asked for the end.
    """

    bundle: Bundle
    seconds: float
    data: Path | None = None
    devices: tuple[str, ...] = (CPU,)
    is_stopping: Callable[[], bool] = lambda: False


def tune(job: TuneJob, progress: Progress) -> Tuning | None:
    """Measure every variant of a bundle that opens here, with one thread and with more.

    Call it before threads are started.

    Args:
        job: What.
        progress: Told of each step.

    Returns:
        What was measured; None if somebody asked for the end before anything was.

    Raises:
        EngineError: None of the variants opens and passes its self-test here, or none of those may
            be chosen; a device is not there.
        DatasetError: `data` is no data set for this model.
        ConfigError: No float variant opens to measure the others' accuracy against; a device that
            nobody knows.
        StorageError: The temporary folder is full.
    """
    _check_devices(job)
    before, photos = read_conditions(), _load_photos(job)
    opened, skipped = _try_variants(job, photos, progress)
    changes = _measure_changes(job, opened, progress)
    if job.is_stopping():
        return None
    candidates = _list_candidates(opened)
    most = max(candidate.threads for candidate in candidates)
    places = ", ".join(candidate.place for candidate in opened)
    progress.say(f"timing {places}; threads: 1 to {most}; at most {job.seconds:g} s")
    with progress.phase("timing, seconds", round(job.seconds)) as step:
        race = Race(job.bundle, photos, job.seconds, job.is_stopping, step)
        outcome = run_race(race, candidates[0], candidates[1:])
    skipped |= {candidate.describe(): why for candidate, why in outcome.dropped.items()}
    if not outcome.timings:
        return None
    timings = _rate(job.bundle.spec, outcome, changes)
    best, setting, after = _choose(timings), describe_setting(job.bundle), read_conditions()
    margins = [interval_margin(timing.ratio_interval, timing.ratio) for timing in timings]
    return Tuning(
        variant=best.variant,
        threads=best.threads,
        device=best.device,
        setting=setting,
        reference=candidates[0].describe(),
        date=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        is_partial=job.is_stopping() or outcome.num_tried < len(candidates),
        timings=timings,
        before=before,
        after=after,
        noise=judge_noise(margins, before, after, setting.num_cores),
        accuracies={name: _describe(change) for name, change in changes.items()},
        skipped=skipped,
    )


def _check_devices(job: TuneJob) -> None:
    """Refuse devices that are not there; asked apart: a library that is loaded starts threads.

    Raises:
        EngineError: One is not there.
        ConfigError: Nobody knows one.
    """
    for device in job.devices:
        if device != CPU:
            run_apart(device, partial(check_device, job.bundle.spec.variants, device))


def _rate(
    spec: ModelSpec, outcome: Outcome, changes: dict[str, AccuracyChange]
) -> tuple[Timing, ...]:
    """Return what was timed, the fastest first, each with what speaks against it."""
    timings = [
        dataclasses.replace(timing, unfit=_find_unfit(spec, timing, changes))
        for timing in outcome.timings.values()
    ]
    return tuple(sorted(timings, key=lambda timing: timing.ratio))


def _choose(timings: Sequence[Timing]) -> Timing:
    """Return the best.

    Raises:
        EngineError: None may be chosen.
    """
    best = find_fastest(timings)
    if best is None:
        reasons = dict.fromkeys(f"{timing.place}: {timing.unfit}" for timing in timings)
        raise EngineError(f"none of the variants may be chosen here: {'; '.join(reasons)}")
    return best


def _describe(change: AccuracyChange) -> Accuracy:
    return Accuracy(change.num_images, change.drop_pp, change.drop_interval_pp)


def _load_photos(job: TuneJob) -> Pixels:
    """Return photos to be timed, uint8 `[N, H, W, 3]`, RGB: of `data`, or the bundle's golden ones.

    A bundle without either has drawn ones.

    Raises:
        DatasetError: `data` is no data set, or none of its first photos can be read.
    """
    spec = job.bundle.spec.input
    read: Sequence[Callable[[], bytes]]
    if job.data is not None:
        read = [photo.read for photo in find_photos(job.data)[:_NUM_PHOTOS]]
    else:
        read = [partial(base64.b64decode, each.base64) for each in load_golden(job.bundle).photos]
    pixels = []
    for load in read:
        try:
            pixels.append(load_pixels(load(), spec))
        except (ImageError, ValueError):  # a broken one is the self-test's, or the accuracy's
            continue
    if not pixels:
        from edgecat.photos.drawings import BREEDS, draw_cat

        pixels = [load_pixels(draw_cat(breed, np.random.default_rng(0)), spec) for breed in BREEDS]
    return np.stack(pixels)


def _try_variants(
    job: TuneJob, photos: Pixels, progress: Progress
) -> tuple[list[Candidate], dict[str, str]]:
    """Return the variants that open and pass their self-test, and of the others why not.

    Raises:
        EngineError: None does.
    """
    opened: list[Candidate] = []
    skipped: dict[str, str] = {}
    candidates = _place(job)
    with progress.phase("self-tests", len(candidates)) as step:
        for candidate in candidates:
            if job.is_stopping():
                skipped[candidate.place] = "not tried: somebody asked for the end"
                continue
            try:
                with start_timer(job.bundle, candidate, photos) as timer:
                    timer.call("describe_precision")
            except (BundleError, EngineError) as error:
                skipped[candidate.place] = candidate.describe_fall(error)
            else:
                opened.append(candidate)
            step()
    if not opened and not job.is_stopping():
        raise EngineError("; ".join(f"{place}: {why}" for place, why in skipped.items()))
    return opened, skipped


def _place(job: TuneJob) -> list[Candidate]:
    """Return every variant with one thread, on each device that its engine has."""
    spec = job.bundle.spec
    return [
        Candidate(name, 1, device)
        for device in job.devices
        for name in _order(spec)
        if device == CPU or has_devices(spec.variant(name))
    ]


def _order(spec: ModelSpec) -> list[str]:
    """Return all variants: what others are measured against, what a rule would take, the rest."""
    preferred = spec.preferred_variants(detect_target(spec.targets))
    names = (spec.reference, *preferred, *(variant.name for variant in spec.variants))
    return list(dict.fromkeys(names))


def _list_candidates(opened: Sequence[Candidate]) -> list[Candidate]:
    """Return what is timed: the first one, with one thread, is the reference.

    More threads are tried on the CPU only: another device is fed by one.
    """
    most = count_threads()
    doublings = [2**power for power in range(most.bit_length()) if _MAX_EACH < 2**power < most]
    numbers = [*range(1, min(most, _MAX_EACH) + 1), *doublings, most]
    return [
        dataclasses.replace(candidate, threads=threads)
        for candidate in opened
        for threads in (dict.fromkeys(numbers) if candidate.device == CPU else (1,))
    ]


def _measure_changes(
    job: TuneJob, opened: Sequence[Candidate], progress: Progress
) -> dict[str, AccuracyChange]:
    data = job.data
    if data is None or job.is_stopping():
        return {}
    progress.say(f"accuracy of {', '.join(each.place for each in opened)} on {data}")
    found: dict[str, AccuracyChange] = run_apart(
        "accuracy",
        lambda: measure_changes(job.bundle, opened, data, progress),
        timeout_s=None,  # as long as the photos take
    )
    return found


def _find_unfit(spec: ModelSpec, timing: Timing, changes: dict[str, AccuracyChange]) -> str:
    """Return why a variant is not chosen, however fast; "" if it may be.

    What labelled photos prove here counts more than what the exporting machine took to be so.
    """
    if timing.place in changes:
        change, allowed_pp = changes[timing.place], find_max_drop_pp(spec)
        if change.is_within(allowed_pp):
            return ""
        return (
            f"loses {change.drop_pp:.1f} pp on {change.num_images} photos, allowed are "
            f"{allowed_pp:g}"
        )
    if timing.device != CPU:
        return f"nobody measured its answers on {timing.device}; prove it with --data PHOTOS"
    verdict, target = spec.variant(timing.variant).verdict, detect_target(spec.targets)
    if verdict is None or target in verdict.ships_to:
        return ""
    reason = verdict.reasons.get(target, "it was not judged for it")
    return f"does not ship to {target} ({reason}); prove it here with --data PHOTOS"
