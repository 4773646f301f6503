"""Which classes have few photos, or far fewer than others?"""

from edgecat.audit.check import Check, Finding, Found, found
from edgecat.audit.survey import Survey
from edgecat.photos.folder import are_unequal, count_labels
from edgecat.photos.split import MIN_PHOTOS


def find_imbalance(survey: Survey) -> Found:
    """Classes that are too small to learn, or much smaller than the largest."""
    counts = count_labels(survey.photos)
    if not counts:
        return found(())
    most = max(counts, key=lambda label: counts[label])
    small = sorted((n, label) for label, n in counts.items() if are_unequal((n, counts[most])))
    texts = [
        f"{label!r} has {n} photos, {most!r} has {counts[most]} (1:{counts[most] / n:.1f})"
        for n, label in small
    ]
    texts += [
        f"{label!r} has {n} photos; finetune needs {MIN_PHOTOS}"
        for label, n in counts.items()
        if n < MIN_PHOTOS
    ]
    return found(Finding((), text) for text in texts)


ENTRY = Check(150, "unequal classes", "more photos of small classes help most", find_imbalance)
