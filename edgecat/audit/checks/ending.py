"""Whose name ends in another format's ending?"""

from pathlib import PurePath

from edgecat.audit.check import Check, Finding, Found, found
from edgecat.audit.survey import Survey
from edgecat.photos.formats import FORMATS

_ENDINGS = {item.name: item.endings for item in FORMATS}


def find_wrong_endings(survey: Survey) -> Found:
    """Photos whose name says another format than their content."""
    wrong = []
    for position, look in enumerate(survey.looks):
        path = survey.path(position)
        ending = PurePath(path).suffix
        if ending.lower() not in _ENDINGS.get(look.format, (ending.lower(),)):
            named = f"a name in {ending!r}" if ending else "a name without an ending"
            wrong.append(Finding((path,), f"{look.format}, but {named}"))
    return found(wrong)


ENTRY = Check(
    20, "wrong endings", "edgecat goes by the content; other programs may not", find_wrong_endings
)
