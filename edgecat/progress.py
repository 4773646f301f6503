"""How long work tells what it does; the command line draws it, a Python user may ignore it."""

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Protocol


class Progress(Protocol):
    """Two members: a phase with a known number of steps, and a line of text."""

    def phase(self, name: str, num_steps: int) -> AbstractContextManager[Callable[[], object]]:
        """Open a phase; the function it yields is called once a step."""

    def say(self, line: str) -> None:
        """Tell something worth reading later."""


class Silent:
    """Progress that nobody watches."""

    @contextlib.contextmanager
    def phase(self, name: str, num_steps: int) -> Iterator[Callable[[], object]]:
        """Open a phase."""
        yield lambda: None

    def say(self, line: str) -> None:
        """Drop the line."""


def describe_count(num: int, what: str) -> str:
    """Return how many there are of something: "1 photo", "2 photos", "0 classes".

    Args:
        num: How many.
        what: One of them.
    """
    ending = "es" if what.endswith("s") else "s"
    return f"{num} {what}{'' if num == 1 else ending}"


def describe_duration(duration_s: float) -> str:
    """Return a duration as people read it: "45 s", "12 min", "1 h 30 min".

    Args:
        duration_s: In seconds, 0 or more.
    """
    minutes = round(duration_s / 60)
    if duration_s < 90:
        return f"{duration_s:.0f} s"
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
