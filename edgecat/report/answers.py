"""What a model answers to labelled photos, and how strange it finds them and others."""

import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgecat.bench.evaluate import answer_known_photos
from edgecat.bench.run import open_all
from edgecat.bundle.manifest import ModelSpec
from edgecat.bundle.ood import load_detector
from edgecat.bundle.store import Bundle
from edgecat.errors import ConfigError, DatasetError
from edgecat.machine.cores import count_threads
from edgecat.photos.folder import LabelledPhoto
from edgecat.photos.input import InputSpec
from edgecat.photos.pixels import Pixels, load_pixels
from edgecat.photos.reading import group_remarks, read_photos
from edgecat.photos.tree import list_folder
from edgecat.progress import Progress
from edgecat.report.sources import Run, Sources
from edgecat.runtime.classifier import Classifier
from edgecat.runtime.device import Resources
from edgecat.runtime.engine import Engine
from edgecat.scores.metrics import Indices, Logits
from edgecat.scores.ood import OodDetector

Scores = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Photos:
    """Where photos are, and how they are read.

    Attributes:
        data: Labelled ones, a folder or a zip file; None where there are none.
        others: A folder of photos that show none of the classes.
        skip_broken: Leave broken ones out, instead of refusing all.
    """

    data: Path | None = None
    others: Path | None = None
    skip_broken: bool = False


@dataclasses.dataclass(frozen=True)
class ModelAnswers:
    """What one model answered.

    Attributes:
        name: Of the variant; of a run's network, "checkpoint".
        logits: float32 `[N, K]`, divided by the bundle's temperature, so that it is as sure as a
            user sees it; a checkpoint has none.
    """

    name: str
    logits: Logits


@dataclasses.dataclass(frozen=True)
class OodScores:
    """How strange a variant finds photos.

    Attributes:
        variant: Its name.
        threshold: OOD score above which it calls a photo unknown.
        known: float64 `[N]`, of photos of the known classes.
        others: float64 `[M]`, of others; None where none were given.
    """

    variant: str
    threshold: float
    known: Scores
    others: Scores | None


@dataclasses.dataclass(frozen=True)
class Answers:
    """What models answered to labelled photos; the first model is the float reference.

    Attributes:
        split: Which photos: "test", those kept from training, or "all".
        num_seen: How many of them the model was trained or tuned on.
        photos: Where they are.
        targets: int64 `[N]`, their classes.
        models: One or more.
        input: What photos are made into.
        ood: None where the model cannot tell strangers.
    """

    split: str
    num_seen: int
    photos: tuple[LabelledPhoto, ...]
    targets: Indices
    models: tuple[ModelAnswers, ...]
    input: InputSpec
    ood: OodScores | None = None


def answer_photos(sources: Sources, photos: Photos, progress: Progress) -> Answers | None:
    """Let the bundle's variants, or else the run's network, answer photos; None without any.

    Args:
        sources: What the report is made of.
        photos: To answer; without `data`, the run's own where they still are.
        progress: Told of each photo.

    Raises:
        ConfigError: Nothing that was given could answer them.
        DatasetError: They are not photos of these classes, or broken, or no longer the run's.
        EngineError: No variant runs here.
    """
    data = photos.data or _find_run_photos(sources.run)
    if photos.others is not None and (sources.bundle is None or data is None):
        raise ConfigError("--others needs a bundle that tells strangers, and --data; give both")
    if data is None:
        return None
    if sources.bundle is not None:
        return _answer_by_bundle(sources.bundle, data, photos, progress)
    if sources.run is not None and sources.run.has_network:
        return _answer_by_run(sources.run, data, progress)
    if photos.data is not None:
        raise ConfigError(f"--data {data}: nothing to answer them; give a bundle or a finished run")
    return None


def explain_photos(bundle: Bundle, variant: str, photos: Sequence[LabelledPhoto]) -> list[Pixels]:
    """Return photos under the heat of the class that a variant answers: uint8 `[H, W, 3]`, RGB.

    Raises:
        EngineError: The variant tells no map to explain its answers by.
        ImageError: A photo cannot be read any more.
    """
    with Classifier.open(bundle.path, variant) as classifier:
        return [classifier.explain(photo.read()).draw_overlay() for photo in photos]


def _find_run_photos(run: Run | None) -> Path | None:
    data = Path(run.record.data) if run is not None else None
    return data if data is not None and data.exists() else None


def _answer_by_bundle(bundle: Bundle, data: Path, photos: Photos, progress: Progress) -> Answers:
    with open_all(bundle, Resources(count_threads())) as (engines, skipped):
        for name, why in skipped.items():
            progress.say(f"not asked: {name}: {why}")
        opened = [*engines.values()]
        found = answer_known_photos(
            bundle, opened, data, skip_broken=photos.skip_broken, progress=progress
        )
        temperature = np.float32(bundle.spec.temperature)
        models = tuple(
            ModelAnswers(engine.name, logits / temperature)
            for engine, logits in zip(opened, found.logits, strict=True)
        )
        ood = _score_strangeness(bundle, opened[0], found.photos, photos.others, progress)
    return Answers(
        found.split, found.num_seen, found.photos, found.targets, models, bundle.spec.input, ood
    )


def _answer_by_run(run: Run, data: Path, progress: Progress) -> Answers:
    # The only part of a report that needs torch.
    from edgecat.export.photos import RunPhotos
    from edgecat.train.finished import load_checkpoint

    checkpoint, record = load_checkpoint(run.path), run.record
    photos = RunPhotos(checkpoint.split, data, record.input, progress)
    found = photos.answers("test", record.labels, [checkpoint.answer])
    models = (ModelAnswers("checkpoint", found.logits[0]),)
    return Answers("test", 0, found.photos, found.targets, models, record.input)


def _score_strangeness(
    bundle: Bundle,
    engine: Engine,
    known: Sequence[LabelledPhoto],
    others: Path | None,
    progress: Progress,
) -> OodScores | None:
    """Return OOD scores by a variant, if it can tell strangers.

    Raises:
        ConfigError: It cannot, but others were given.
    """
    detector = load_detector(bundle)
    threshold = bundle.spec.variant(engine.name).ood_threshold
    if detector is None or threshold is None:
        if others is not None:
            raise ConfigError(
                f"--others {others}: {bundle.name} cannot tell strangers; leave it out, or export "
                "the run again"
            )
        return None
    score = functools.partial(_score_photos, engine, detector, bundle.spec, progress)
    strangers = None if others is None else score(_list_others(others))
    return OodScores(engine.name, threshold, score(known), strangers)


def _list_others(folder: Path) -> list[LabelledPhoto]:
    """List all files below a folder.

    Raises:
        DatasetError: No such folder, or it is empty.
    """
    paths = [*list_folder(folder).all_files()] if folder.is_dir() else []
    if not paths:
        raise DatasetError(f"--others {folder}: no folder of photos; give one, or leave it out")
    return [LabelledPhoto(folder / path, label="") for path in paths]


def _score_photos(
    engine: Engine,
    detector: OodDetector,
    spec: ModelSpec,
    progress: Progress,
    photos: Sequence[LabelledPhoto],
) -> Scores:
    """Return float64 `[N]` of the photos that can be read; the others are listed."""
    broken: list[tuple[Path, str]] = []
    load = functools.partial(load_pixels, spec=spec.input)

    def score(pixels: Pixels) -> float:
        return float(detector.ood_score(*engine.run_with_features(pixels[None]))[0])

    with progress.phase("OOD scores", len(photos)) as step:
        found = read_photos(
            photos, load, on_photo=step, on_broken=lambda *remark: broken.append(remark)
        )
        scores = np.array([score(pixels) for _, _, pixels in found], np.float64)
    for line in group_remarks(broken):
        progress.say(f"left out: {line}")
    return scores
