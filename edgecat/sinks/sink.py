"""What a sink is: it takes answers, one after the other, or says why it cannot."""

import threading
from collections.abc import Sequence
from typing import Protocol

from edgecat.sinks.queue import Entry


class Unreachable(Exception):
    """The other side did not take a line, and may take it later: why not, and the mend."""


class Rejected(Exception):
    """The other side will never take this line: why not."""


class Sink(Protocol):
    """Somebody who is told the answers; used by one thread.

    Attributes:
        name: Of its kind, such as "mqtt": its place in the queue is kept under it.
        address: Whom it tells, for messages.
    """

    name: str
    address: str

    def connect(self, recent: Sequence[Entry]) -> None:
        """Begin, or begin anew after a failure.

        Args:
            recent: The last lines that it has taken, oldest first, for an other side that forgets.

        Raises:
            Unreachable: The other side is away.
        """

    def take(self, entry: Entry) -> None:
        """Tell a line; when this returns, the other side has confirmed it.

        Raises:
            Unreachable: It has not; it may have got the line nevertheless.
            Rejected: It does not want it.
        """

    def rest(self, wake: threading.Event) -> None:
        """Wait a second at most, or until the event is set; meanwhile stay in touch.

        Raises:
            Unreachable: The other side is away.
        """

    def hang_up(self, *, is_over: bool) -> None:
        """End the connection, if there is one.

        Args:
            is_over: The service ends in order.
        """
