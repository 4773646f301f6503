"""How commands talk: results to standard output, progress and notes to standard error."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgecat import atomic
from edgecat.cli.utf8 import writes_utf8
from edgecat.progress import describe_duration
from edgecat.strict import to_json

if TYPE_CHECKING:
    from edgecat.runtime.prediction import Guess

# In a log: a phase that is over sooner says nothing.
_SECONDS_A_LINE = 60.0


class TerminalProgress:
    """Progress as bars with the time left; in a log, a line a minute."""

    @contextlib.contextmanager
    def phase(self, name: str, num_steps: int) -> Iterator[Callable[[], object]]:
        """Draw a bar."""
        if not sys.stderr.isatty():
            yield _Log(name, num_steps, self.say).step
            return
        with click.progressbar(length=num_steps, label=f"{name:<24}", file=sys.stderr) as bar:
            yield lambda: bar.update(1)

    def say(self, line: str) -> None:
        """Print a line; a log on a full disk is no reason to stop."""
        with contextlib.suppress(OSError):
            click.echo(escape(line), err=True)


class _Log:
    """A phase as lines."""

    def __init__(self, name: str, num_steps: int, say: Callable[[str], None]) -> None:
        self._name, self._num_steps, self._say = name, num_steps, say
        self._num_done = 0
        self._begun_s = self._told_s = time.monotonic()

    def step(self) -> None:
        self._num_done += 1
        now_s, num_left = time.monotonic(), self._num_steps - self._num_done
        if now_s - self._told_s < _SECONDS_A_LINE or num_left <= 0:
            return
        self._told_s = now_s
        left = describe_duration((now_s - self._begun_s) / self._num_done * num_left)
        self._say(f"{self._name}: {self._num_done} of {self._num_steps}, {left} left")


def print_json(value: Any, *, is_line: bool = False) -> None:
    """Print a result for machines, floats unrounded.

    Args:
        value: Plain values.
        is_line: In one line, as one of many.

    Raises:
        NotFiniteError: A number in it is not finite: JSON has no such number.
    """
    click.echo(to_json(value, indent=None if is_line else 1, is_ascii=not writes_utf8()))


def show(values: Any, text: str, file: Path | None) -> None:
    """Print a result, and write it to a file if one is given; it is printed if it cannot be, too.

    Args:
        values: The result, of plain values.
        text: The same for people.
        file: What `edgecat.cli.options.result_option` gave: "-" prints the values in place of the
            text.

    Raises:
        NotFiniteError: As `print_json`.
        StorageError: The disk is full.
    """
    if file == Path("-"):
        print_json(values)
        return
    try:
        if file is not None:
            atomic.write_text(file, to_json(values, indent=1) + "\n")
    finally:  # what took minutes to measure is told, however full the disk is
        click.echo(escape(text))


def escape(text: str) -> str:
    """Return text that does nothing to a terminal: file and model names may hold its commands."""
    return "".join(
        char if char.isprintable() or char == "\n" else char.encode("unicode_escape").decode()
        for char in text
    )


def percent(ratio: float) -> str:
    """Return a ratio as people read it."""
    return f"{100 * ratio:.1f} %"


def describe_guesses(answer: str, guesses: Iterable["Guess"]) -> str:
    """Return what a photo shows: the likeliest classes; of a stranger they are the nearest ones.

    Args:
        answer: As `edgecat.runtime.prediction.Prediction.answer` gives it.
        guesses: The likeliest first.
    """
    from edgecat.photos.labels import UNKNOWN

    stranger = f"{UNKNOWN}, nearest " if answer == UNKNOWN else ""
    return stranger + ", ".join(f"{one.label} {percent(one.probability)}" for one in guesses)
