"""The worst mistakes: wrong, and sure of it."""

import numpy as np

from edgecat.report.facts import Facts
from edgecat.report.parts import Gallery, Missing, Section, Text, Tile
from edgecat.report.thumbnails import embed_photo, name_photo
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
    told = probabilities.argmax(axis=1)
    surest = np.argsort(probabilities.max(axis=1))[::-1]
    wrong = [int(i) for i in surest if told[i] != answers.targets[i]]
    tiles = []
    for i in wrong[:_MAX_TILES]:
        truth, answer = int(answers.targets[i]), int(told[i])
        name = name_photo(answers.photos[i])
        said = (
            ("Truth", f"{model.labels[truth]}, {share(probabilities[i, truth])}"),
            ("Answer", f"{model.labels[answer]}, {share(probabilities[i, answer])}"),
            ("Photo", name),
        )
        alt = f"{name}, a photo of {model.labels[truth]}"
        tiles.append(Tile(embed_photo(answers.photos[i], answers.input), alt, said))
    lead = (
        f"{len(wrong)} of {len(answers.photos)} {answers.split} photos are answered wrongly by "
        f"{answers.models[0].name}; those it was surest of come first. Look for wrong labels, too."
    )
    shown = f"{len(tiles)} of {len(wrong)} mistakes"
    parts = (Gallery(shown, tuple(tiles)),) if tiles else (Text("Not a single mistake."),)
    return Section("mistakes", "Worst mistakes", lead, parts)
