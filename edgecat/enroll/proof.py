"""Every variant with the new class: opened, tested, and held against the float model."""

import base64
import contextlib
import dataclasses
from collections.abc import Mapping

import numpy as np

from edgecat.bundle.golden import Golden, load_golden
from edgecat.bundle.store import Bundle
from edgecat.errors import EngineError, ParityError, SelfTestError
from edgecat.photos.pixels import Pixels, load_pixels
from edgecat.progress import Progress
from edgecat.runtime.choice import open_engine
from edgecat.runtime.device import CPU
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


@dataclasses.dataclass(frozen=True)
class _Answers:
    """What a variant answers.

    Attributes:
        new: float32 `[N, K + 1]`, to the photos of the new class.
        golden: float32 `[K + 1]` each, to the golden photos.
    """

    new: Logits
    golden: tuple[Logits, ...]


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
    """
    reference, *others = (variant.name for variant in bundle.spec.variants)
    answers = {reference: _answer(bundle, reference, unit, photos)}
    progress.say(f"{reference}: proven with the new class")
    left_out = {}
    for name in others:
        try:
            found = _answer(bundle, name, unit, photos)
            _compare(bundle, name, answers[reference].new, found.new)
        except (EngineError, SelfTestError, ParityError) as error:
            left_out[name] = error.without(name)
            progress.say(f"left out: {name}: {left_out[name]}")
        else:
            answers[name] = found
            progress.say(f"{name}: proven with the new class")
    return ProvenVariants(tuple(answers), left_out, _renew(load_golden(bundle), answers))


def _answer(bundle: Bundle, name: str, unit: Layer, photos: Pixels) -> _Answers:
    """Return what a variant answers with the new class, once it has passed its self-test.

    On the CPU, wherever else `edgecat tune` found it the fastest: golden answers are the CPU's.
    """
    with contextlib.closing(open_engine(bundle, name, device=CPU)) as engine:
        run_self_test(bundle, engine)
        golden = [
            load_pixels(base64.b64decode(photo.base64), bundle.spec.input)
            for photo in load_golden(bundle).photos
        ]
        enrolled = EnrolledEngine(engine, unit)
        return _Answers(
            new=np.concatenate([enrolled.run(photo[None]) for photo in photos]),
            golden=tuple(enrolled.run(photo[None])[0] for photo in golden),
        )


def _renew(golden: Golden, answers: Mapping[str, _Answers]) -> Golden:
    """Return the golden photos with new answers, by the variants' names."""
    photos = (
        dataclasses.replace(
            photo,
            # The shortest text that is this float32: as a float64 it would be twice as long.
            logits={
                name: tuple(float(str(logit)) for logit in found.golden[place])
                for name, found in answers.items()
            },
        )
        for place, photo in enumerate(golden.photos)
    )
    return Golden(tuple(photos))


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
