"""Which of a camera's answers are worth telling somebody: those that are not the one before."""

from collections.abc import Callable
from typing import Any


class News:
    """Passes on the answers of a stream that change something."""

    def __init__(self, tell: Callable[[dict[str, Any]], bool]) -> None:
        """Begin without an answer.

        Args:
            tell: Called with the line of each answer that is another one than the last that was
                told; returns whether it is told now.
        """
        self._tell = tell
        self._last: tuple[Any, ...] | None = None

    def hear(self, line: dict[str, Any]) -> None:
        """Hear a line of `edgecat.stream.loop.stream`; a broken frame is no news."""
        if "answer" not in line:
            return
        answer = (line["answer"], line["is_known"])
        if answer != self._last and self._tell(line):
            self._last = answer
