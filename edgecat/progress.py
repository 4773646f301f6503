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
