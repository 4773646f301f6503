"""Which of its owner's releases a signed bundle is."""

import dataclasses
from datetime import UTC, datetime

#: Every reader of JSON takes integers up to 2**53 - 1. Source: RFC 8259, section 6.
MAX_NUMBER = 2**53 - 1

_DATE = "%Y-%m-%dT%H:%M:%SZ"
_NUMBER = "%Y%m%d%H%M%S"


@dataclasses.dataclass(frozen=True)
class Release:
    """Which of its owner's releases a bundle is; `edgecat sign` writes it.

    Attributes:
        number: Of two releases by one owner, the newer one has the higher number.
        date: When it was signed, UTC: "2026-11-28T05:25:00Z". For people; no decision rests on it.
    """

    number: int
    date: str

    def __post_init__(self) -> None:
        """Check the form.

        Raises:
            ValueError: A number out of bounds, or no date.
        """
        if not 1 <= self.number <= MAX_NUMBER:
            raise ValueError(f"number {self.number} is not from 1 to {MAX_NUMBER}")
        if datetime.fromisoformat(self.date).strftime(_DATE) != self.date:
            raise ValueError(f"date {self.date!r} is not of the form 2026-11-28T05:25:00Z")

    def describe(self) -> str:
        """Return it as a line of text."""
        return f"release {self.number} of {self.date}"


def next_release(
    before: Release | None, number: int | None, now: datetime | None = None
) -> Release:
    """Return the release that comes after another one.

    Without a number it is the time: 20261128052500. So a higher one is found without a record of
    those before, on any machine whose clock is right.

    Args:
        before: What the bundle says so far.
        number: As its owner wants it; None for the time, or one more than `before` has.
        now: None for the clock's time.

    Raises:
        ValueError: `number` is out of bounds, or not above that of `before`.
    """
    now = now or datetime.now(UTC)
    last = before.number if before is not None else 0
    if number is None:
        number = max(int(now.strftime(_NUMBER)), last + 1)
    if number <= last:
        raise ValueError(f"number {number} is not above {last}, which the bundle has already")
    return Release(number, now.strftime(_DATE))
