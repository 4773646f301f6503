"""Where the time goes from a photo to its answer: decode, preprocess, infer, postprocess."""

import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from PIL import Image

from edgecat.bench.clock import Plan, percentiles, take_turns, time_ms
from edgecat.bundle.store import Bundle
from edgecat.photos.decode import open_photo
from edgecat.photos.folder import LabelledPhoto, find_photos
from edgecat.photos.pixels import Pixels, fit_image
from edgecat.photos.spread import spread
from edgecat.progress import Progress
from edgecat.runtime.choice import Choice
from edgecat.runtime.classifier import Classifier
from edgecat.runtime.engine import Engine
from edgecat.scores.bounds import check_latencies
from edgecat.scores.metrics import Logits
from edgecat.scores.ood import Features

_NUM_WARMUP = 10
_PERCENTS = (50, 90, 99)
_NAMES = tuple(f"p{percent}" for percent in _PERCENTS)


@dataclasses.dataclass(frozen=True)
class VariantStages:
    """The stages that a variant has for itself; each "p50", "p90", "p99", milliseconds.

    Attributes:
        infer_ms: The engine: from pixels to logits and features.
        postprocess_ms: From these to an OOD score, probabilities and a label.
        total_ms: All four stages of a photo, one after the other.
    """

    infer_ms: dict[str, float]
    postprocess_ms: dict[str, float]
    total_ms: dict[str, float]

    def __post_init__(self) -> None:
        """Check that all times are there.

        Raises:
            ValueError: One is not, or no clock measures it.
        """
        for name in ("infer_ms", "postprocess_ms", "total_ms"):
            check_latencies(name, getattr(self, name), _NAMES)


@dataclasses.dataclass(frozen=True)
class Stages:
    """What each stage takes; each "p50", "p90", "p99", milliseconds.

    Attributes:
        num_photos: That were timed; each goes through all variants.
        decode_ms: From a file's bytes, in memory, to an upright RGB picture.
        preprocess_ms: From that to the pixels that the model takes: scaled and cropped.
        variants: By variant, the rest.
    """

    num_photos: int
    decode_ms: dict[str, float]
    preprocess_ms: dict[str, float]
    variants: dict[str, VariantStages]

    def __post_init__(self) -> None:
        """Check that all times are there.

        Raises:
            ValueError: One is not, or no clock measures it.
        """
        for name in ("decode_ms", "preprocess_ms"):
            check_latencies(name, getattr(self, name), _NAMES)


def measure_stages(
    bundle: Bundle, engines: Mapping[str, Engine], data: Path, num_photos: int, progress: Progress
) -> Stages:
    """Time the stages of real photos apart, with the code by which `Classifier.predict` answers.

    Args:
        bundle: Whose variants these are.
        engines: Open, by name.
        data: Photos, a folder or a zip; of many, some of all classes are taken.
        num_photos: How many to time; of fewer some are taken again.
        progress: Told of each photo.

    Raises:
        DatasetError: `data` is no data set.
        ImageError: One of its photos cannot be read.
    """
    classifiers = {
        name: Classifier(bundle, engine, Choice(name, 1, "asked", "asked for"))
        for name, engine in engines.items()
    }
    photos = find_photos(data)
    walk = _Walk(classifiers, [photos[place] for place in spread(len(photos), num_photos)])
    with progress.phase("stages", num_photos) as step:
        times = take_turns(walk.steps, Plan.fixed(num_photos, _NUM_WARMUP), step)
    return Stages(
        num_photos,
        percentiles(times["decode"], _PERCENTS),
        percentiles(times["preprocess"], _PERCENTS),
        {name: _describe(times, name) for name in engines},
    )


class _Walk:
    """A photo on its way through the stages; each step does one and says how long it took.

    Attributes:
        steps: In the order in which they have to be taken.
    """

    def __init__(
        self, classifiers: Mapping[str, Classifier], photos: Sequence[LabelledPhoto]
    ) -> None:
        """Take the photos one after the other, again and again."""
        self._photos = itertools.cycle(photos)
        self._spec = next(iter(classifiers.values())).bundle.spec.input
        self._image: Image.Image
        self._pixels: Pixels
        self._computed: tuple[Logits, Features | None]
        self.steps: dict[str, Callable[[], float]] = {
            "decode": self._decode,
            "preprocess": self._preprocess,
        }
        for name, classifier in classifiers.items():
            self.steps[_infer(name)] = partial(self._run, classifier)
            self.steps[_postprocess(name)] = partial(self._answer, classifier)

    def _decode(self) -> float:
        data = next(self._photos).read()  # a disk's time is not the model's

        def decode() -> None:
            self._image = open_photo(data, self._spec.shorter_side_px)

        return time_ms(decode)

    def _preprocess(self) -> float:
        def preprocess() -> None:
            self._pixels = fit_image(self._image, self._spec)

        return time_ms(preprocess)

    def _run(self, classifier: Classifier) -> float:
        def run() -> None:
            self._computed = classifier.compute(self._pixels)

        return time_ms(run)

    def _answer(self, classifier: Classifier) -> float:
        return time_ms(lambda: classifier.combine([classifier.judge(*self._computed)]))


def _infer(variant: str) -> str:
    return f"{variant}: infer"


def _postprocess(variant: str) -> str:
    return f"{variant}: postprocess"


def _describe(times: Mapping[str, Sequence[float]], variant: str) -> VariantStages:
    own = times[_infer(variant)], times[_postprocess(variant)]
    totals = [sum(photo) for photo in zip(times["decode"], times["preprocess"], *own, strict=True)]
    return VariantStages(*(percentiles(each, _PERCENTS) for each in (*own, totals)))
