"""What `edgecat audit` looks for; each check stands in a file of `edgecat.audit.checks`."""

import dataclasses
from collections.abc import Callable, Iterable

from edgecat.audit.look import Look
from edgecat.audit.survey import Survey
from edgecat.photos.input import InputSpec
from edgecat.registry import Registry


@dataclasses.dataclass(frozen=True)
class Finding:
    """What is said of a photo, or of several that belong together.

    Attributes:
        photos: Their paths from the data set's root; none where it is said of the whole set.
        text: What.
        left_out: Those of them that a clean list leaves out, since learning can only lose by them.
    """

    photos: tuple[str, ...]
    text: str
    left_out: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Found:
    """What a check found.

    Attributes:
        findings: The most important one first.
        note: What to know of them; mostly "".
        not_looked: Why it did not look; mostly "".
    """

    findings: tuple[Finding, ...]
    note: str = ""
    not_looked: str = ""


@dataclasses.dataclass(frozen=True)
class Check:
    """A check of a data set.

    Attributes:
        place: Checks are shown in the order of these numbers: what is certain first.
        title: What is found, in the plural.
        about: What it means, and what to do about it.
        find: Looks.
    """

    place: int
    title: str
    about: str
    find: Callable[[Survey], Found]


#: By name, as in JSON.
CHECKS: Registry[Check] = Registry("edgecat.audit.checks", "check of photos")


def found(findings: Iterable[Finding]) -> Found:
    """Return findings of which nothing else need be known."""
    return Found(tuple(findings))


def look_at_each(
    say: Callable[[Look, InputSpec], str], *, worst: Callable[[Look], float]
) -> Callable[[Survey], Found]:
    """Return a check of the looks of each photo.

    Args:
        say: Returns what is wrong with one for what the model takes; "" where nothing is.
        worst: What findings are sorted by, the smallest first.
    """

    def find(survey: Survey) -> Found:
        texts = [say(look, survey.model.input) for look in survey.looks]
        wrong = sorted((i for i, t in enumerate(texts) if t), key=lambda i: worst(survey.looks[i]))
        return found(Finding((survey.path(i),), texts[i]) for i in wrong)

    return find
