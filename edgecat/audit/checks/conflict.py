"""Which photos are the same, or nearly, under two labels?"""

from edgecat.audit.check import Check, Finding, Found, found
from edgecat.audit.survey import Survey
from edgecat.photos.conflicts import find_conflicts


def find_label_conflicts(survey: Survey) -> Found:
    """Pairs of photos, of which one label at least is wrong."""
    pairs = find_conflicts(survey.photos, survey.fingerprints, survey.scaled)
    conflicts = []
    for pair in pairs:
        paths = tuple(map(survey.path, pair))
        labels = " and ".join(repr(survey.photos[i].label) for i in pair)
        conflicts.append(Finding(paths, f"one photo, labelled {labels}", left_out=paths))
    return found(conflicts)


ENTRY = Check(
    40, "label conflicts", "one photo in two classes: finetune refuses them", find_label_conflicts
)
