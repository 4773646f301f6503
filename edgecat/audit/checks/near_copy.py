"""Which photos show nearly the same: another size or compression, or the next frame?"""

from edgecat.audit.check import Check, Finding, Found, found
from edgecat.audit.survey import Survey


def find_near_copies(survey: Survey) -> Found:
    """Groups of near-duplicates that are not all of the same bytes."""
    return found(
        Finding(tuple(map(survey.path, group)), f"{len(group)} photos of one scene")
        for group in survey.members()
        if len({survey.hashes[i] for i in group}) > 1
    )


ENTRY = Check(70, "near copies", "finetune keeps them in one split", find_near_copies)
