"""Which files cannot be read as photos?"""

from edgecat.audit.check import Check, Finding, Found, found
from edgecat.audit.survey import Survey


def find_unreadable(survey: Survey) -> Found:
    """Files that are no photos, are damaged, or are larger than what is accepted."""
    root = survey.folder.root
    paths = [(path.relative_to(root).as_posix(), why) for path, why in survey.broken]
    return found(Finding((path,), why, left_out=(path,)) for path, why in paths)


ENTRY = Check(10, "unreadable files", "finetune refuses them", find_unreadable)
