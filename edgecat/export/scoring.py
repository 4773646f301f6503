"""What models are worth: verdicts by the validation photos, then scores on the test photos."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edgecat.bundle.golden import Golden
from edgecat.bundle.known_features import KnownFeatures, LabelledFeatures
from edgecat.bundle.manifest import Variant
from edgecat.bundle.reference import Reference
from edgecat.bundle.score import Flips, Score
from edgecat.bundle.verdict import Verdict, describe_worth
from edgecat.export.golden import answer_golden
from edgecat.export.ood import fit_to_models
from edgecat.export.sets import Source
from edgecat.export.verdict import count_ratios, decide, measure_ratios
from edgecat.photos.input import InputSpec
from edgecat.photos.pixels import Pixels
from edgecat.progress import Progress
from edgecat.quantize.model import Model, open_all
from edgecat.quantize.search import Budget
from edgecat.quantize.step import ValidationSet
from edgecat.scores import metrics
from edgecat.scores.compare import AccuracyChange, compare_accuracy
from edgecat.scores.evaluation import Evaluation, score
from edgecat.scores.metrics import Indices
from edgecat.scores.ood import OodDetector


@dataclasses.dataclass(frozen=True)
class RatedModels:
    """What a bundle's models are worth, and how their answers are to be read.

    Attributes:
        variants: Each with its test score, its verdict and its threshold.
        temperature: What logits are divided by before the softmax.
        detector: Tells photos of known classes from others.
        golden: The golden photos and each variant's answers.
        known: How photos of its classes look to the float model.
        reference: How its models answer validation photos.
    """

    variants: tuple[Variant, ...]
    temperature: float
    detector: OodDetector
    golden: Golden
    known: KnownFeatures
    reference: Reference


def rate_models(
    models: Sequence[Model],
    source: Source,
    calibration: Pixels,
    validation: ValidationSet,
    budget: Budget,
    progress: Progress,
) -> RatedModels:
    """Measure what models are worth; what is chosen is chosen before the test photos are read.

    Args:
        models: All of a bundle; the first is a float one.
        source: The run that they were made from.
        calibration: uint8 `[N, H, W, 3]`, RGB: training photos, of every class.
        validation: Validation photos.
        budget: What a model may lose, and for which processors INT8 was made.
        progress: Told of each photo.
    """
    temperature = metrics.fit_temperature(validation.expected, validation.targets)
    fitted = fit_to_models(models, calibration, validation.photos)
    spec = source.checkpoint.record.input
    verdicts = give_verdicts(models, spec, budget)
    scores = score_on_test(models, source, temperature, progress)
    variants = tuple(
        dataclasses.replace(
            model.variant, score=score, verdict=verdict, ood_threshold=threshold,
            instruction_ratios=count_ratios(model.variant),
        )
        for model, score, verdict, threshold in zip(
            models, scores, verdicts, fitted.thresholds, strict=True
        )
    )  # fmt: skip
    for variant in variants:
        worth = describe_worth(variant.verdict, variant.instruction_ratios, variants[0].name)
        progress.say(f"{variant.name}: {worth}")
    known = KnownFeatures(
        train=LabelledFeatures(fitted.train, _list_targets(source)),
        held_out=LabelledFeatures(fitted.held_out, validation.targets),
    )
    golden = answer_golden(models, spec)
    labels = source.checkpoint.record.labels
    reference = fitted.to_reference([model.variant.name for model in models], labels)
    return RatedModels(variants, temperature, fitted.detector, golden, known, reference)


def _list_targets(source: Source) -> Indices:
    """Return the classes of the photos that set ranges: int64 `[N]`."""
    labels, photos = source.checkpoint.record.labels, source.checkpoint.split.photos
    targets = [labels.index(photos[position].label) for position in source.sets.calibration]
    return np.array(targets, np.int64)


def give_verdicts(
    models: Sequence[Model], spec: InputSpec, budget: Budget
) -> tuple[Verdict | None, ...]:
    """Say where each model is worth running, before any test photo is looked at.

    None of one that this processor only imitates: there is no latency to measure.

    Args:
        models: All of the bundle, with what each loses on the validation photos.
        spec: What they take.
        budget: What it may lose, and for which processors INT8 was made.
    """
    running = [model for model in models if model.imitation is None]
    ratios = measure_ratios(running, spec)
    return tuple(
        decide(model.variant, ratios, model.change, budget) if model.imitation is None else None
        for model in models
    )


def score_on_test(
    models: Sequence[Model], source: Source, temperature: float, progress: Progress
) -> tuple[Score, ...]:
    """Let the checkpoint and all models answer the test photos, each read once.

    Args:
        models: All of the bundle.
        source: The checkpoint, with which their answers are compared, and the photos.
        temperature: The bundle's: confidence is measured as a user will see it.
        progress: Told of each photo.
    """
    checkpoint, labels = source.checkpoint, source.checkpoint.record.labels
    with open_all(models) as engines:
        answering = [checkpoint.answer, *(engine.run for engine in engines)]
        answers = source.photos.answers("test", labels, answering)
    reference, *others = (logits / np.float32(temperature) for logits in answers.logits)
    scores = []
    for model, logits in zip(models, others, strict=True):
        change = compare_accuracy(reference, logits, answers.targets)
        evaluation = score(model.variant.name, "test", labels, answers.targets, logits)
        progress.say(f"{evaluation.variant}: test {evaluation.describe()}, {_describe(change)}")
        flips = metrics.count_flips(reference, logits, answers.targets)
        scores.append(_score(change, evaluation, dict(zip(labels, flips, strict=True))))
    if warning := evaluation.warn():
        progress.say(warning)
    return tuple(scores)


def _describe(change: AccuracyChange) -> str:
    low, high = change.drop_interval_pp
    return (
        f"drop {change.drop_pp:+.1f} pp (95 % interval {low:+.1f} to {high:+.1f}, McNemar p "
        f"{change.mcnemar_p:.2f}), same answer as the checkpoint on "
        f"{100 * change.agreement_ratio:.1f} %, calibration error "
        f"{100 * change.reference_calibration_error_ratio:.1f} -> "
        f"{100 * change.calibration_error_ratio:.1f} %"
    )


def _score(
    change: AccuracyChange, evaluation: Evaluation, flips: dict[str, npt.NDArray[np.int64]]
) -> Score:
    """Return accuracy as the manifest holds it.

    Args:
        change: On the test photos, against the checkpoint.
        evaluation: Of the same answers.
        flips: By label, int64 `[2]`: answers lost and gained.
    """
    counted = {label: Flips(*map(int, counts)) for label, counts in flips.items()}
    return Score(
        split="test",
        num_images=evaluation.num_images,
        top1_ratio=evaluation.top1_ratio,
        top1_interval_ratio=evaluation.top1_interval_ratio,
        agreement_ratio=change.agreement_ratio,
        drop_pp=change.drop_pp,
        drop_interval_pp=change.drop_interval_pp,
        mcnemar_p=change.mcnemar_p,
        reference_calibration_error_ratio=change.reference_calibration_error_ratio,
        calibration_error_ratio=change.calibration_error_ratio,
        flips={label: flip for label, flip in counted.items() if flip.num_lost or flip.num_gained},
        macro_f1_ratio=evaluation.macro_f1_ratio,
        per_class=evaluation.per_class,
    )
