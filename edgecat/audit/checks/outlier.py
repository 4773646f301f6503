"""Which photos show none of the classes at all?"""

import numpy as np

from edgecat.audit.check import Check, Finding, Found
from edgecat.audit.survey import Survey
from edgecat.scores.ood import KEPT_RATIO

# Classes that are named, of those that the bundle does not know.
_NUM_NAMED = 5


def find_outliers(survey: Survey) -> Found:
    """Photos that the bundle calls unknown, the strangest first."""
    scores, threshold = survey.ood_scores, survey.model.ood_threshold
    if scores is None or threshold is None:
        return Found((), not_looked="give a bundle of these classes with --bundle")
    others = sorted({photo.label for photo in survey.photos} - {*survey.model.labels})
    if others:
        unknown = f"{survey.model.name} does not know {', '.join(others[:_NUM_NAMED])}"
        return Found((), not_looked=unknown)
    strange = [int(i) for i in np.argsort(-scores) if scores[i] > threshold]
    return Found(
        tuple(Finding((survey.path(i),), f"OOD score {scores[i]:.1f}") for i in strange),
        f"beyond {threshold:.1f}, as {100 * (1 - KEPT_RATIO):.0f} % of good photos are, too",
    )


ENTRY = Check(90, "outliers", "the bundle calls them unknown", find_outliers)
