"""Photos that a smaller variant answers otherwise than the float reference."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from edgecat.bundle.manifest import ModelSpec
from edgecat.report.answers import Answers, ModelAnswers
from edgecat.report.facts import Facts
from edgecat.report.parts import Gallery, Missing, Part, Section, Table, Text, Tile
from edgecat.report.thumbnails import embed_photo, name_photo
from edgecat.report.wording import share
from edgecat.scores.metrics import softmax

# Of each variant: those that became wrong first, then those that became right.
_MAX_TILES = 12


def build(facts: Facts) -> Section | Missing:
    """Return the flips: as photos where there are any, as counts where only the bundle tells."""
    bundle, answers = facts.sources.bundle, facts.answers
    advice = "a bundle with several variants, and for the photos --data DIR"
    if bundle is None or len(bundle.spec.variants) < 2:
        return Missing("Answers that change", advice)
    if answers is not None and facts.shows_photos:
        reference, labels = answers.models[0].name, bundle.spec.labels
        parts = [_show(answers, model, labels) for model in answers.models[1:]]
    else:
        reference, parts = bundle.spec.reference, [*_count(bundle.spec)]
    if not parts:
        return Missing("Answers that change", advice)
    lead = (
        f"What {reference} and another variant answer differently. Some changes lose a right "
        "answer, some gain one; top-1 alone hides how many there are."
    )
    return Section("flips", "Answers that change", lead, tuple(parts))


def _show(answers: Answers, model: ModelAnswers, labels: tuple[str, ...]) -> Part:
    before, after = (each.logits.argmax(axis=1) for each in (answers.models[0], model))
    was_right, is_right = before == answers.targets, after == answers.targets
    changed = np.flatnonzero(before != after)
    if not len(changed):
        return Text(f"{model.name} gives the same answer to all {len(answers.photos)} photos.")
    # Lost answers first, then gained ones, then those that were and are wrong.
    order = sorted(changed, key=lambda i: (not was_right[i], not is_right[i]))
    tiles = tuple(_tile(answers, model, int(i), labels) for i in order[:_MAX_TILES])
    title = (
        f"{model.name}: {len(changed)} of {len(answers.photos)} answers change, "
        f"{was_right[changed].sum()} right ones lost, {is_right[changed].sum()} gained; "
        f"{len(tiles)} shown"
    )
    return Gallery(title, tiles)


def _tile(answers: Answers, model: ModelAnswers, place: int, labels: tuple[str, ...]) -> Tile:
    """Return a photo with both models' answers."""
    photo, truth = answers.photos[place], labels[answers.targets[place]]
    said = [
        (each.name, _say(softmax(each.logits[place : place + 1])[0], labels))
        for each in (answers.models[0], model)
    ]
    name = name_photo(photo)
    facts = (("Truth", truth), *said, ("Photo", name))
    return Tile(embed_photo(photo, answers.input), f"{name}, a photo of {truth}", facts)


def _say(probabilities: npt.NDArray[np.float64], labels: tuple[str, ...]) -> str:
    best = int(probabilities.argmax())
    return f"{labels[best]}, {share(probabilities[best])}"


def _count(spec: ModelSpec) -> Iterator[Part]:
    for variant in spec.variants:
        flips = variant.score.flips if variant.score else {}
        if flips:
            rows = tuple(
                (label, str(flip.num_lost), str(flip.num_gained)) for label, flip in flips.items()
            )
            caption = f"{variant.name}: right answers lost and gained, at its export"
            yield Table(caption, ("Class", "Lost", "Gained"), rows)
