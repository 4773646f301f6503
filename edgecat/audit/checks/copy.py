"""Which files are there twice, byte by byte?"""

from collections import defaultdict

from edgecat.audit.check import Check, Finding, Found, found
from edgecat.audit.survey import Survey


def find_copies(survey: Survey) -> Found:
    """Exact copies within one class and one split; a clean list keeps the first."""
    same = defaultdict(list)
    for position, (photo, sha256) in enumerate(zip(survey.photos, survey.hashes, strict=True)):
        same[sha256, photo.label, photo.split].append(survey.path(position))
    return found(
        Finding(tuple(paths), f"{len(paths)} files of the same bytes", left_out=tuple(paths[1:]))
        for paths in same.values()
        if len(paths) > 1
    )


ENTRY = Check(60, "exact copies", "they count as one: a clean list keeps the first", find_copies)
