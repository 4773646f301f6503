"""The signals of a process that runs for long: taken over first of all, so that none is lost."""

import signal
from types import FrameType
from typing import Any

#: What a shell says of a process that Ctrl-C ended.
INTERRUPTED = 130


class Signals:
    """What was asked of a process by signals, for as long as its block lasts.

    SIGTERM and SIGINT (Ctrl-C) ask it to end; a second one of the same kind ends it at once. SIGHUP
    asks it to open its bundle again. Only the main thread may enter one.

    Attributes:
        is_stopping: Whether the end was asked for.
        is_interrupted: Whether it was asked for by Ctrl-C.
    """

    def __init__(self) -> None:
        """Prepare; nothing happens before the block is entered."""
        # Plain values: setting a threading.Event in a handler can wait for a lock that the thread
        # which the handler interrupts holds.
        self.is_stopping = self.is_interrupted = False
        self._is_reload_asked = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "Signals":
        """Take the signals over."""
        for number in (signal.SIGTERM, signal.SIGINT):
            self._before[number] = signal.signal(number, self._stop)
        self._before[signal.SIGHUP] = signal.signal(signal.SIGHUP, self._ask_reload)
        return self

    def __exit__(self, *exception: object) -> None:
        """Give the signals back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @property
    def exit_code(self) -> int:
        """Return 0, or 130 once Ctrl-C asked for the end."""
        return INTERRUPTED if self.is_interrupted else 0

    def take_reload(self) -> bool:
        """Return whether a reload was asked for since the last call."""
        is_asked = self._is_reload_asked
        if is_asked:
            self._is_reload_asked = False  # a signal from here on is served by the next call
        return is_asked

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.is_interrupted = self.is_interrupted or number == signal.SIGINT
        signal.signal(number, signal.SIG_DFL)
        self.is_stopping = True

    def _ask_reload(self, number: int, frame: FrameType | None) -> None:
        self._is_reload_asked = True
