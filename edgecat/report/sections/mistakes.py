"""The worst mistakes: wrong, and sure of it."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edgecat.errors import EngineError
from edgecat.report.answers import Answers, explain_photos
from edgecat.report.facts import Facts
from edgecat.report.parts import Gallery, Missing, Section, Tile
from edgecat.report.thumbnails import embed_photo, embed_pixels, name_photo
from edgecat.report.wording import share
from edgecat.scores.metrics import softmax

_MAX_TILES = 24


def build(facts: Facts) -> Section | Missing:
    """Return the photos whose wrong answers were the surest."""
    answers, model = facts.answers, facts.model
    if answers is None or model is None or not facts.shows_photos:
        return Missing(
            "Worst mistakes", "photos: --data DIR, with a bundle or a finished run, to be shown"
        )
    probabilities = softmax(answers.models[0].logits)
    is_wrong = probabilities.argmax(axis=1) != answers.targets
    surest = np.argsort(probabilities.max(axis=1))[::-1]
    worst = [int(place) for place in surest if is_wrong[place]][:_MAX_TILES]
    name, num_photos = answers.models[0].name, len(answers.photos)
    if not worst:
        told = f"{name} answers each of {num_photos} photos rightly ({answers.split})."
        return Section("mistakes", "Worst mistakes", told, ())
    heats, why = _explain(facts, answers, worst)
    tiles = tuple(
        _tile(answers, place, probabilities[place], model.labels, heat)
        for place, heat in zip(worst, heats, strict=True)
    )
    num_wrong = int(is_wrong.sum())
    lead = (
        f"{num_wrong} of {num_photos} {answers.split} photos are answered wrongly by {name}; those "
        f"it was surest of come first. Look for wrong labels, too. {why}"
    )
    gallery = Gallery(f"{len(tiles)} of {num_wrong} mistakes", tiles)
    return Section("mistakes", "Worst mistakes", lead, (gallery,))


def _explain(facts: Facts, answers: Answers, places: Sequence[int]) -> tuple[list[str], str]:
    """Return a heat map of each photo, "" without any, and what is to be said of them."""
    none, photos = [""] * len(places), [answers.photos[place] for place in places]
    if facts.sources.bundle is None:
        return none, "With a bundle, heat maps show where it sees its answer."
    try:
        heats = explain_photos(facts.sources.bundle, answers.models[0].name, photos)
    except EngineError as error:
        return none, f"There are no heat maps: {error}."
    told = "The brighter the heat map, the more that place speaks for the answer."
    return [embed_pixels(heat) for heat in heats], told


def _tile(
    answers: Answers,
    place: int,
    probabilities: npt.NDArray[np.float64],
    labels: Sequence[str],
    heat: str,
) -> Tile:
    photo, truth = answers.photos[place], int(answers.targets[place])
    answer, name = int(probabilities.argmax()), name_photo(photo)
    said = (
        ("Truth", f"{labels[truth]}, {share(probabilities[truth])}"),
        ("Answer", f"{labels[answer]}, {share(probabilities[answer])}"),
        ("Photo", name),
    )
    alt = f"{name}, a photo of {labels[truth]}"
    return Tile(embed_photo(photo, answers.input), alt, said, heat)
