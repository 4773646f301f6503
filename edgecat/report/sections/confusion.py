"""What is taken for what."""

import numpy as np

from edgecat.report.facts import Facts
from edgecat.report.parts import Matrix, Missing, Section, Table
from edgecat.scores.metrics import Indices, confusion_matrix

# Classes up to which a table of all pairs can be read; of more, the most frequent pairs are listed.
_MAX_CLASSES = 30
_MAX_PAIRS = 30


def build(facts: Facts) -> Section | Missing:
    """Return the matrix, or the pairs that are confused most often."""
    answers, model = facts.answers, facts.model
    if answers is None or model is None:
        return Missing("Confusion matrix", "photos: --data DIR, with a bundle or a finished run")
    first = answers.models[0]
    counts = confusion_matrix(first.logits.argmax(axis=1), answers.targets, len(model.labels))
    what = f"{len(answers.photos)} {answers.split} photos, answered by {first.name}"
    if len(model.labels) > _MAX_CLASSES:
        return _list_pairs(counts, model.labels, what)
    rows = tuple(tuple(map(int, row)) for row in counts)
    lead = "A row for each true class, a column for each answer: off the diagonal are mistakes."
    matrix = Matrix(what, model.labels, rows)
    return Section("confusion", "Confusion matrix", lead, (matrix,))


def _list_pairs(counts: Indices, labels: tuple[str, ...], what: str) -> Section:
    mistakes = counts.copy()
    np.fill_diagonal(mistakes, 0)
    totals = counts.sum(axis=1)
    order = np.argsort(mistakes, axis=None)[::-1][:_MAX_PAIRS]
    pairs = [tuple(map(int, np.unravel_index(place, counts.shape))) for place in order]
    rows = tuple(
        (labels[true], labels[told], f"{mistakes[true, told]} of {totals[true]}")
        for true, told in pairs
        if mistakes[true, told]
    )
    lead = f"{len(labels)} classes are too many for a matrix: the most frequent mistakes."
    table = Table(what, ("True class", "Taken for", "Photos"), rows)
    return Section("confusion", "Most frequent confusions", lead, (table,))
