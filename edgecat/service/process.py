"""What a process that runs for long does beside its work.

It ends in order, follows its bundle, and tells systemd that it is alive. `edgecat watch` and
`edgecat stream` call `Service.attend` between two photos and while they wait.
"""

import time

from edgecat.errors import EdgecatError
from edgecat.progress import Progress
from edgecat.service.live import LiveClassifier
from edgecat.service.notify import notify, watchdog_interval_s
from edgecat.service.signals import Signals

# A look at the bundle costs a stat call a file.
_LOOK_EVERY_S = 1.0


class Service:
    """The signals of a running service, and its word to systemd, for as long as its block lasts.

    See `edgecat.service.signals` for what each signal asks; it ends after what is under way.
    """

    def __init__(self, progress: Progress) -> None:
        """Prepare; nothing happens before the block is entered.

        Args:
            progress: Told of new bundles, and of the end that a signal asked for.

        Raises:
            ConfigError: As `edgecat.service.notify.watchdog_interval_s`.
        """
        self._progress = progress
        self._signals = Signals()
        self._next_look_s = 0.0
        self._alive_every_s = watchdog_interval_s()
        self._next_alive_s = 0.0

    def __enter__(self) -> "Service":
        """Take the signals over."""
        self._signals.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        """Give the signals back, and say so where one asked for the end."""
        notify("STOPPING=1")
        self._signals.__exit__(*exception)
        if self.is_stopping():
            self._progress.say("stopped")

    @property
    def exit_code(self) -> int:
        """Return 0, or 130 once Ctrl-C asked it to end."""
        return self._signals.exit_code

    def is_stopping(self) -> bool:
        """Return whether a signal asked for the end."""
        return self._signals.is_stopping

    def ask_for_time(self) -> None:
        """Tell systemd that the start goes on: it waits a minute more."""
        notify("EXTEND_TIMEOUT_USEC=60000000")

    def tell_ready(self) -> None:
        """Tell systemd that the work begins."""
        notify("READY=1")

    def attend(self, classifier: LiveClassifier) -> None:
        """Tell systemd of being alive, and go over to a new bundle; call it once a second.

        A bundle is opened if there is another one, or if SIGHUP asked. One that is refused is told
        of once, and the old one answers on.
        """
        if self._alive_every_s is not None and time.monotonic() >= self._next_alive_s:
            notify("WATCHDOG=1")
            self._next_alive_s = time.monotonic() + self._alive_every_s
        is_asked = self._signals.take_reload()
        if not is_asked and time.monotonic() < self._next_look_s:
            return
        self._next_look_s = time.monotonic() + _LOOK_EVERY_S
        try:
            if is_asked:
                classifier.reload()
            elif not classifier.reload_if_changed():
                return
        except EdgecatError as error:
            self._progress.say(f"new bundle refused, the old one answers on: {error}")
            return
        self._progress.say(f"new bundle in use: {classifier.current.bundle.spec.name}")
