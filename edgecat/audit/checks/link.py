"""Which photos are links to somewhere outside of the data set?"""

import os
from pathlib import Path

from edgecat.audit.check import Check, Finding, Found, found
from edgecat.audit.survey import Survey


def find_links_outside(survey: Survey) -> Found:
    """Photos that lie elsewhere; those in a zip file never do, links there are refused."""
    if survey.folder.zipped is not None:
        return found(())
    root, places = os.path.realpath(survey.folder.root), []
    for position, photo in enumerate(survey.photos):
        place = os.path.realpath(photo.path)
        if not Path(place).is_relative_to(root):
            places.append(Finding((survey.path(position),), f"is {place}"))
    return found(places)


ENTRY = Check(
    30, "links out of the folder", "a copy of the folder will not have them", find_links_outside
)
