"""Photos that a smaller variant answers otherwise than the float reference."""

from collections.abc import Iterator

import numpy as np

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
    parts: list[Part] = []
    if answers is not None and facts.shows_photos:
        labels = bundle.spec.labels
        for model in answers.models[1:]:
            parts += _show(answers, model, labels)
    else:
        parts += _count(bundle.spec)
    if not parts:
        return Missing("Answers that change", advice)
    lead = (
        f"What {bundle.spec.reference} and a smaller variant answer differently. Some changes lose "
        "a right answer, some gain one; top-1 alone hides that they are many."
    )
    return Section("flips", "Answers that change", lead, tuple(parts))


def _show(answers: Answers, model: ModelAnswers, labels: tuple[str, ...]) -> Iterator[Part]:
    reference = answers.models[0]
    was, now = softmax(reference.logits), softmax(model.logits)
    before, after = was.argmax(axis=1), now.argmax(axis=1)
    changed = np.flatnonzero(before != after)
    if not len(changed):
        yield Text(f"{model.name} gives the same answer to all {len(answers.photos)} photos.")
        return
    # Lost answers first, then gained ones, then those that were and are wrong.
    order = sorted(
        changed, key=lambda i: (before[i] != answers.targets[i], after[i] != answers.targets[i])
    )
    tiles = []
    for i in order[:_MAX_TILES]:
        truth, photo = labels[answers.targets[i]], answers.photos[i]
        told = (
            ("Truth", truth),
            (reference.name, f"{labels[before[i]]}, {share(was[i, before[i]])}"),
            (model.name, f"{labels[after[i]]}, {share(now[i, after[i]])}"),
            ("Photo", name_photo(photo)),
        )
        alt = f"{name_photo(photo)}, a photo of {truth}"
        tiles.append(Tile(embed_photo(photo, answers.input), alt, told))
    lost = int((before[changed] == answers.targets[changed]).sum())
    gained = int((after[changed] == answers.targets[changed]).sum())
    title = (
        f"{model.name}: {len(changed)} of {len(answers.photos)} answers change, {lost} right ones "
        f"lost, {gained} gained; {len(tiles)} shown"
    )
    yield Gallery(title, tuple(tiles))


def _count(spec: ModelSpec) -> Iterator[Part]:
    for variant in spec.variants:
        flips = variant.score.flips if variant.score else {}
        if flips:
            rows = tuple(
                (label, str(flip.num_lost), str(flip.num_gained)) for label, flip in flips.items()
            )
            caption = f"{variant.name}: right answers lost and gained, at its export"
            yield Table(caption, ("Class", "Lost", "Gained"), rows)
