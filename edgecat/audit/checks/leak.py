"""Which photos stand in two of the splits that the folders make?"""

from edgecat.audit.check import Check, Finding, Found, found
from edgecat.audit.survey import Survey
from edgecat.photos.split import keep_ready_split


def find_leaks(survey: Survey) -> Found:
    """Near-duplicates across train, val and test; finetune leaves the same ones out."""
    splits = [photo.split for photo in survey.photos if photo.split is not None]
    if not splits:  # finetune splits them, without leaks
        return found(())
    kept = keep_ready_split(splits, survey.groups)
    leaks = []
    for group in survey.members():
        names = sorted({splits[i] for i in group})
        if len(names) > 1:
            out = tuple(survey.path(i) for i in group if kept[i] == "out")
            paths = tuple(map(survey.path, group))
            leaks.append(Finding(paths, f"one scene in {' and '.join(names)}", left_out=out))
    return found(leaks)


ENTRY = Check(
    50, "leaks across splits", "a test asks what training has told: copies in train go", find_leaks
)
