"""The runtime: a bundle in, answers out. Knows numpy, Pillow and one inference engine."""

import dataclasses
import functools
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict, Unpack

import numpy as np

from edgecat.bundle.head import load_head
from edgecat.bundle.ood import load_detector
from edgecat.bundle.store import Bundle, open_bundle
from edgecat.errors import ConfigError
from edgecat.photos.decode import Photo
from edgecat.photos.pixels import Pixels, load_pixels
from edgecat.runtime.choice import AtMost, Choice, open_choice
from edgecat.runtime.device import CPU
from edgecat.runtime.engine import Engine, run_with_map
from edgecat.runtime.explanation import Explanation
from edgecat.runtime.prediction import Answer, Guess, Prediction, StageTimes
from edgecat.scores import metrics
from edgecat.scores.head import Head
from edgecat.scores.heat import class_heat
from edgecat.scores.metrics import Logits
from edgecat.scores.ood import Features


class Wanted(TypedDict, total=False):
    """How a model is to compute, where that is not left to what was measured, or to a rule."""

    threads: int | AtMost | None
    power_save: bool
    device: str | None


class Classifier:
    """A model that says what a photo shows.

        with Classifier.open("cats12") as cats:
            print(cats.predict("cat.jpg").label)

    Attributes:
        bundle: What it was opened from.
        variant: The name of the variant in use.
        choice: Why it is this one, and with how many threads.
        labels: The classes it knows.
        engine: The open model.
    """

    def __init__(self, bundle: Bundle, engine: Engine, choice: Choice) -> None:
        """Join a bundle and an open engine; use `Classifier.open` instead."""
        self.bundle = bundle
        self.variant = engine.name
        self.choice = choice
        self.labels = bundle.spec.labels
        self.engine = engine
        self._detector = load_detector(bundle)
        self._threshold = bundle.spec.variant(engine.name).ood_threshold

    @property
    def precision(self) -> str | None:
        """Return what another device than the CPU says that it computes in; None of the CPU."""
        if self.choice.device == CPU:
            return None
        precision: str = self.engine.describe()["effective_precision"]
        return precision

    @classmethod
    def open(
        cls,
        bundle: str | Path,
        variant: str | None = None,
        *,
        signer: Path | None = None,
        allow_older: bool = False,
        **wanted: Unpack[Wanted],
    ) -> "Classifier":
        """Open a bundle; the SHA-256 of every file that is used is checked.

        Args:
            bundle: A folder, or the name of a released model: "cats12".
            variant: Such as "onnxruntime-int8"; None for the fastest, as `edgecat tune` measured it
                on this machine; where nobody has, as the bundle's verdicts say for this processor,
                of those whose engine is installed.
            signer: Public Ed25519 key, a PEM file, whose owner must have signed the bundle; None
                to take any bundle, signed or not. The newest release of each owner is remembered
                (`edgecat.bundle.used_releases`), and an older one is refused from then on.
            allow_older: Neither look for a newer release in that memory nor put this one there.
            **wanted: `threads`, `power_save` and `device`, each as `open_choice` takes it.

        Raises:
            BundleError: No bundle, a damaged one, or one without that variant.
            SelfTestError: A release that was not used here yet, or another device than the CPU,
                that answers otherwise here than where it was exported.
            SignatureError: Not signed by the owner of `signer`, or that key cannot be read.
            RollbackError: Older than the newest release of that owner that was used here.
            StorageError: That memory cannot be read or written.
            EngineError: The variant's engine is not installed, has no such device or refuses the
                model.
            ConfigError: `threads` is below 1; `allow_older` without `signer`; an unknown device.
        """
        loaded = open_bundle(bundle, signer=signer, allow_older=allow_older)
        opened = cls(loaded, *open_choice(loaded, variant, **wanted))
        if signer is not None and not allow_older:
            from edgecat.runtime.adoption import adopt_release  # the self-test, only if asked for

            adopt_release(loaded, opened.engine, signer, opened.choice.device)
        return opened

    def predict(self, photo: Photo, *, top: int = 5) -> Prediction:
        """Say what one photo shows.

        Args:
            photo: A file, its bytes, a PIL image, or uint8 `[H, W, 3]` RGB.
            top: How many of the likeliest classes to return, 1 or more.

        Raises:
            ImageError: The photo cannot be read.
            ConfigError: `top` is below 1.
        """
        _check_top(top)
        started = time.perf_counter()
        pixels = self.load_pixels(photo)
        read = time.perf_counter()
        computed = self.compute(pixels)
        answered = time.perf_counter()
        prediction = self.combine([self.judge(*computed)], top=top)
        return dataclasses.replace(prediction, stage_ms=_tell_times(started, read, answered))

    def load_pixels(self, photo: Photo) -> Pixels:
        """Return a photo as the model takes it: uint8 `[side, side, 3]`, RGB.

        Args:
            photo: As for `predict`.

        Raises:
            ImageError: The photo cannot be read.
        """
        return load_pixels(photo, self.bundle.spec.input)

    def answer(self, pixels: Pixels) -> Answer:
        """Return what the model says of what `load_pixels` returned."""
        return self.judge(*self.compute(pixels))

    def compute(self, pixels: Pixels) -> tuple[Logits, Features | None]:
        """Return what the engine computes of what `load_pixels` returned, for `judge`.

        Returns:
            float32 logits `[1, K]`, and features `[1, F]` where the bundle has a detector.
        """
        if self._detector is None:
            return self.engine.run(pixels[None]), None
        return self.engine.run_with_features(pixels[None])

    def judge(self, logits: Logits, features: Features | None) -> Answer:
        """Return what `compute` returned as an answer, with the photo's OOD score."""
        if self._detector is None or features is None:
            return Answer(logits[0], ood_score=None)
        return Answer(logits[0], float(self._detector.ood_score(logits, features)[0]))

    def explain(self, photo: Photo, *, label: str | None = None, top: int = 5) -> Explanation:
        """Say what one photo shows, and where the evidence for a class lies in it.

        Args:
            photo: As for `predict`.
            label: The class; None for the likeliest.
            top: As for `predict`.

        Raises:
            ImageError: The photo cannot be read.
            ConfigError: There is no such class, or `top` is below 1.
            EngineError: The variant tells no map to explain its answers by.
            BundleError: The bundle's head cannot be read, or is another model's.
        """
        if label is not None and label not in self.labels:
            import difflib  # 0.2 MB that only an error needs

            by_lower = {known.lower(): known for known in self.labels}
            near = difflib.get_close_matches(label.lower(), by_lower, n=1)
            did_you_mean = f"did you mean {by_lower[near[0]]!r}? " if near else ""
            raise ConfigError(
                f"--label {label!r}: {did_you_mean}the classes are {', '.join(self.labels)}"
            )
        _check_top(top)
        started = time.perf_counter()
        pixels = self.load_pixels(photo)
        read = time.perf_counter()
        logits, features, feature_map = run_with_map(self.engine, pixels[None])
        answered = time.perf_counter()
        prediction = self.combine([self.judge(logits, features)], top=top)
        shown = label if label is not None else prediction.label
        heat = class_heat(self._head, feature_map[0], self.labels.index(shown))
        stage_ms = _tell_times(started, read, answered)
        return Explanation(dataclasses.replace(prediction, stage_ms=stage_ms), shown, heat, pixels)

    @functools.cached_property
    def _head(self) -> Head:
        return load_head(self.bundle)

    def combine(self, answers: Sequence[Answer], *, top: int = 5) -> Prediction:
        """Make a prediction of the answers to one photo, or to several of the same thing.

        Args:
            answers: 1 or more; probabilities and OOD scores are averaged.
            top: How many of the likeliest classes to return, 1 or more.

        Raises:
            ConfigError: `top` is below 1.
        """
        _check_top(top)
        logits = np.stack([answer.logits for answer in answers])
        probabilities = metrics.softmax(logits, self.bundle.spec.temperature).mean(axis=0)
        best = (-probabilities).argsort(kind="stable")[:top]  # of equal ones the first, as scores
        guesses = tuple(Guess(self.labels[i], float(probabilities[i])) for i in best)
        found = [answer.ood_score for answer in answers if answer.ood_score is not None]
        ood_score = sum(found) / len(found) if found else None
        return Prediction(
            guesses[0].label,
            guesses[0].probability,
            guesses,
            is_known=self._is_known(ood_score),
            ood_score=ood_score,
        )

    def _is_known(self, ood_score: float | None) -> bool | None:
        if self._threshold is None or ood_score is None:
            return None
        return ood_score <= self._threshold

    def compute_logits(self, batch: Pixels) -> Logits:
        """Return float32 logits `[N, K]` for uint8 `[N, side, side, 3]`, RGB."""
        return self.engine.run(batch)

    def close(self) -> None:
        """Give the model's memory back."""
        self.engine.close()

    def __enter__(self) -> "Classifier":
        """Return itself."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Close."""
        self.close()


def _tell_times(started: float, read: float, answered: float) -> StageTimes:
    """Return where the time went until now; the moments are those of `time.perf_counter`."""
    return StageTimes(
        pixels=1e3 * (read - started),
        model=1e3 * (answered - read),
        scores=1e3 * (time.perf_counter() - answered),
    )


def _check_top(top: int) -> None:
    if top < 1:
        raise ConfigError(f"--top {top}: must be at least 1")
