"""What the server does beside answering: look for a new bundle, show that it is alive."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from edgecat.serve.line import Line
from edgecat.serve.metrics import Metrics
from edgecat.service.live import LiveClassifier
from edgecat.service.notify import notify, watchdog_interval_s
from edgecat.service.signals import Signals

# How long a new bundle, or a SIGHUP, waits at most.
_LOOK_EVERY_S = 1


class Upkeep:
    """Two small tasks beside the requests."""

    def __init__(
        self,
        classifier: LiveClassifier,
        line: Line,
        metrics: Metrics,
        signals: Signals,
        say: Callable[[str], object],
    ) -> None:
        """Prepare.

        Args:
            classifier: Gets the new bundles.
            line: Has to move, or the watchdog is not fed.
            metrics: Counts the reloads.
            signals: Ask for one, whether the bundle changed or not.
            say: Tells the operator what became of a new bundle.

        Raises:
            ConfigError: As `edgecat.service.notify.watchdog_interval_s`.
        """
        self._classifier = classifier
        self._line = line
        self._metrics = metrics
        self._say = say
        self._signals = signals
        self._alive_every_s = watchdog_interval_s()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Do it as long as the block lasts; then close the line."""
        tasks = [asyncio.create_task(self._look_for_bundles())]
        if self._alive_every_s is not None:
            tasks.append(asyncio.create_task(self._feed_watchdog(self._alive_every_s)))
        notify("READY=1")
        try:
            yield
        finally:
            notify("STOPPING=1")
            for task in tasks:
                task.cancel()
            self._line.close()

    async def _look_for_bundles(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            # In a thread of its own: the worker goes on with the old bundle meanwhile.
            try:
                if self._signals.take_reload():
                    await asyncio.to_thread(self._classifier.reload)
                elif not await asyncio.to_thread(self._classifier.reload_if_changed):
                    continue
            except Exception as error:  # whatever it is: the next bundle is looked for, too
                self._metrics.count_reload(accepted=False)
                self._say(f"new bundle refused, the old one serves on: {error}")
            else:
                self._metrics.count_reload(accepted=True)
                current = self._classifier.current
                self._say(f"now serving {current.bundle.spec.name} ({current.variant})")

    async def _feed_watchdog(self, interval_s: float) -> None:
        """Tell systemd that the worker does not hang."""
        while True:
            await self._line.move()
            notify("WATCHDOG=1")
            await asyncio.sleep(interval_s)
