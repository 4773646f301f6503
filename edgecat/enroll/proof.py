"""Every variant with the new class: opened, tested, and held against the float model."""

import base64
import contextlib
import dataclasses

import numpy as np

from edgecat.bundle.golden import Golden, load_golden
from edgecat.bundle.store import Bundle
from edgecat.errors import EngineError, ParityError, SelfTestError
from edgecat.photos.pixels import Pixels, load_pixels
from edgecat.progress import Progress
from edgecat.runtime.choice import open_engine
from edgecat.runtime.engine import find_precision
from edgecat.runtime.enrolled import EnrolledEngine
from edgecat.runtime.selftest import run_self_test
from edgecat.scores.compare import DEFAULT_MAX_DROP_PP, compare_accuracy, compare_logits
from edgecat.scores.head import Layer
from edgecat.scores.metrics import Logits


@dataclasses.dataclass(frozen=True)
class ProvenVariants:
    """The variants of a new bundle.

    Attributes:
        names: Those that were proven here, the float one first.
        left_out: Why others are not in it, by name.
        golden: The golden photos, with the answers of the proven ones.
    """

    names: tuple[str, ...]
    left_out: dict[str, str]
    golden: Golden


def prove_variants(
    bundle: Bundle, unit: Layer, photos: Pixels, progress: Progress
) -> ProvenVariants:
    """Let every variant that runs here answer with the new class.

    Args:
        bundle: Without the new class.
        unit: The new class's.
        photos: uint8 `[N, H, W, 3]`, RGB, of the new class.
        progress: Told of each variant.

    Raises:
        EngineError: The float model does not open here.
        SelfTestError: It answers otherwise here than where it was exported.
        ParityError: Never of the float model, with which the others are compared.
    """
    golden = load_golden(bundle)
    drawn = [load_pixels(base64.b64decode(one.base64), bundle.spec.input) for one in golden.photos]
    seen = np.concatenate([photos, *(pixels[None] for pixels in drawn)])
    answers: dict[str, Logits] = {}
    left_out = {}
    for variant in bundle.spec.variants:
        try:
            logits = _answer(bundle, variant.name, unit, seen)
            if answers:
                expected = answers[bundle.spec.reference][: len(photos)]
                _compare(bundle, variant.name, expected, logits[: len(photos)])
            answers[variant.name] = logits
            progress.say(f"{variant.name}: proven with the new class")
        except (EngineError, SelfTestError, ParityError) as error:
            if not answers:
                raise
            left_out[variant.name] = str(error)
            progress.say(f"left out: {error}")
    renewed = tuple(
        dataclasses.replace(
            one, logits={name: _to_texts(all_[len(photos) + i]) for name, all_ in answers.items()}
        )
        for i, one in enumerate(golden.photos)
    )
    return ProvenVariants(tuple(answers), left_out, Golden(renewed))


def _answer(bundle: Bundle, name: str, unit: Layer, photos: Pixels) -> Logits:
    """Return a variant's logits, float32 `[N, K + 1]`, once it has passed its self-test."""
    with contextlib.closing(open_engine(bundle, name)) as engine:
        run_self_test(bundle, engine)
        enrolled = EnrolledEngine(engine, unit)
        return np.concatenate([enrolled.run(photo[None]) for photo in photos])


def _compare(bundle: Bundle, name: str, expected: Logits, found: Logits) -> None:
    """Refuse a variant whose answers to the new photos are not the float model's.

    Raises:
        ParityError: A float model is further off than its precision allows, or another one finds
            too few of the new photos.
    """
    precision = find_precision(bundle.spec.variant(name))
    targets = np.full(len(found), found.shape[1] - 1)
    gap = compare_logits(expected, found).logit_gap
    change = compare_accuracy(expected, found, targets)
    if (precision.made == "exact" and not gap <= precision.logit_tolerance) or not change.is_within(
        DEFAULT_MAX_DROP_PP
    ):
        raise ParityError(
            f"{name}: finds {100 * change.top1_ratio:.0f} % of the new photos, of which "
            f"{bundle.spec.reference} finds {100 * change.reference_top1_ratio:.0f} %; logits are "
            f"up to {gap:.2g} apart"
        )


def _to_texts(logits: Logits) -> tuple[float, ...]:
    # The shortest text that is this float32: as a float64 it would be twice as long.
    return tuple(float(str(logit)) for logit in logits)
