"""What a report knows of a model, from whichever source tells it best."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from edgecat.bundle.score import Score
from edgecat.photos.input import InputSpec
from edgecat.report.answers import Answers
from edgecat.report.sources import Sources
from edgecat.scores.class_score import ClassScore
from edgecat.scores.evaluation import Evaluation, score


@dataclasses.dataclass(frozen=True)
class Accuracy:
    """How good the model's float form is, on photos.

    Attributes:
        split: Of the photos: "test", or "all".
        photos: Which ones, in words: "285 test photos".
        num_images: How many.
        top1_ratio: Share answered rightly, 0-1.
        interval_ratio: Its 95 % interval.
        macro_f1_ratio: Mean F1 of the classes, 0-1; None where an older edgecat measured.
        per_class: By label; empty where an older edgecat measured.
    """

    split: str
    photos: str
    num_images: int
    top1_ratio: float
    interval_ratio: tuple[float, float]
    macro_f1_ratio: float | None
    per_class: Mapping[str, ClassScore]


@dataclasses.dataclass(frozen=True)
class Model:
    """A model, as a bundle or a run tells of it.

    Attributes:
        name: What a person calls it.
        arch: Its network.
        labels: The classes, in the order of the logits.
        input: What photos are made into.
        provenance: Where it is from, free in form.
        accuracy: None where none was measured.
    """

    name: str
    arch: str
    labels: tuple[str, ...]
    input: InputSpec
    provenance: Mapping[str, Any]
    accuracy: Accuracy | None


@dataclasses.dataclass(frozen=True)
class Facts:
    """Everything that sections are made of.

    Attributes:
        sources: What was given.
        answers: To photos, where there were any.
        model: None where only results of benchmarks were given.
        shows_photos: Whether photos may be in the page.
    """

    sources: Sources
    answers: Answers | None
    model: Model | None
    shows_photos: bool = True


def collect_facts(sources: Sources, answers: Answers | None, *, shows_photos: bool) -> Facts:
    """Put together what is known."""
    return Facts(sources, answers, _describe_model(sources, answers), shows_photos)


def _describe_model(sources: Sources, answers: Answers | None) -> Model | None:
    if sources.bundle is not None:
        spec = sources.bundle.spec
        accuracy = _from_answers(answers, spec.labels) or _from_bundle(sources)
        return Model(spec.name, spec.arch, spec.labels, spec.input, spec.provenance, accuracy)
    if sources.run is not None:
        record, name = sources.run.record, sources.run.path.resolve().name
        accuracy = _from_answers(answers, record.labels) or _from_run(sources)
        origin = record.to_provenance()
        return Model(name, record.arch, record.labels, record.input, origin, accuracy)
    return None


def _from_answers(answers: Answers | None, labels: tuple[str, ...]) -> Accuracy | None:
    if answers is None or answers.num_seen:  # what it was trained on is no measure
        return None
    first = answers.models[0]
    found = score(first.name, answers.split, labels, answers.targets, first.logits)
    return _from_score(found, f"answered for this report by {first.name}")


def _from_bundle(sources: Sources) -> Accuracy | None:
    variant = sources.bundle.spec.variants[0] if sources.bundle else None
    found = variant.score if variant else None
    if variant is None or found is None:
        return None
    return _from_score(found, f"answered by {variant.name} at its export")


def _from_score(found: Evaluation | Score, how: str) -> Accuracy:
    return Accuracy(
        found.split,
        f"{found.num_images} {found.split} photos, {how}",
        found.num_images,
        found.top1_ratio,
        found.top1_interval_ratio,
        found.macro_f1_ratio,
        found.per_class,
    )


def _from_run(sources: Sources) -> Accuracy | None:
    found = sources.run.record.outcome if sources.run else None
    if found is None:
        return None
    return Accuracy(
        "test",
        f"{found.num_test} test photos, answered once at the run's end",
        found.num_test, found.test_top1_ratio, found.test_interval_ratio,
        found.test_macro_f1_ratio, found.test_per_class,
    )  # fmt: skip
