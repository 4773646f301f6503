"""One connection: uvicorn's HTTP/1.1, with a time limit for the head and errors in JSON.

uvicorn limits neither the time in which a head arrives (a "slow loris" holds its connection for
ever) nor the number of idle connections, and answers what it cannot parse in plain text.
"""

import asyncio
import http
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from edgecat.serve.door import head_too_large
from edgecat.serve.limits import Limits
from edgecat.serve.metrics import Metrics
from edgecat.serve.refusal import Refusal, encode_refusal

# A word in what h11 says is wrong -> what we say of it.
_FAULTS = {
    "Host": "it needs one header Host, with the name in the address",
    "Content-Length": "its Content-Length is not one number of bytes",
    "Transfer-Encoding": "of Transfer-Encoding only chunked is understood",
    "chunk": "a chunk of its body does not begin with its size or end where that says",
    "request line": "its first line is not such as GET /healthz HTTP/1.1",
    "header": "one of its headers is not such as Content-Type: image/jpeg",
}


class GuardedProtocol(H11Protocol):
    """A connection that is closed when its client does not keep to the limits."""

    def __init__(self, *, limits: Limits, metrics: Metrics, **uvicorns: Any) -> None:
        """Prepare for a client.

        Args:
            limits: Those of the server.
            metrics: Counts who is turned away.
            **uvicorns: What uvicorn gives to its own.
        """
        super().__init__(**uvicorns)
        self._limits = limits
        self._metrics = metrics
        self._deadline: asyncio.TimerHandle | None = None
        self._is_refused = False
        self._waits_since_s = self.loop.time()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first head, if there is room for one more."""
        super().connection_made(transport)
        others = [other for other in self.connections if not other.transport.is_closing()]
        if len(others) > self._limits.max_connections and not self._make_room():
            self._refuse(
                Refusal(
                    503,
                    "too_many_connections",
                    f"{self._limits.max_connections} connections are open and no more are taken; "
                    "close idle ones, or come back in a second",
                    {"Retry-After": "1"},
                )
            )
            transport.close()
            return
        self._watch_head()

    def data_received(self, data: bytes) -> None:
        """Go on with a request; what a refused client still sends is thrown away."""
        if self._is_refused:
            return
        super().data_received(data)
        self._watch_head()

    def on_response_complete(self) -> None:
        """Wait for the next head."""
        super().on_response_complete()
        self._waits_since_s = self.loop.time()
        self._watch_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the client."""
        self._stop_watching()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP; called by uvicorn while it handles h11's error."""
        error = sys.exception()
        status = error.error_status_hint if isinstance(error, h11.RemoteProtocolError) else 400
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.close()  # in the midst of a response: too late to say anything
        elif status == 431:
            self._refuse(head_too_large(self._limits))
        else:
            text = f"not an HTTP/1.1 request: {_describe(error)}; send one as curl and browsers do"
            self._refuse(Refusal(status, "bad_request", text))

    def _make_room(self) -> bool:
        """Close the connection that does least with its place; return whether there was one.

        That is, of the client who has the most, the one that waits longest: for a head, or for
        the rest of a request that holds no place in the line.
        """
        others = [other for other in self.connections if isinstance(other, GuardedProtocol)]
        num_of = Counter(other._host for other in others)
        idle = [
            other
            for other in others
            if not (other is self or other.transport.is_closing() or other._holds_place())
        ]
        if not idle:
            return False
        max(idle, key=lambda other: (num_of[other._host], -other._waits_since_s)).transport.close()
        return True

    @property
    def _host(self) -> str:
        """Return the client's IP address."""
        return self.client[0] if self.client else ""

    def _holds_place(self) -> bool:
        """Return whether a photo of this connection is in the line."""
        place = self.scope["state"].get("place") if self.scope else None
        return place is not None and place.is_held

    def _watch_head(self) -> None:
        """Set a deadline as long as a head is due, and none otherwise.

        It is due, too, from a client that has its answer but still sends the body.
        """
        if self._is_refused:
            return  # the deadline that is set ends the connection
        if self.conn.their_state is not h11.IDLE and self.conn.our_state is not h11.DONE:
            self._stop_watching()
        elif self._deadline is None and not self.transport.is_closing():
            self._deadline = self.loop.call_later(self._limits.head_s, self._end_wait)

    def _stop_watching(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _end_wait(self) -> None:
        self._deadline = None
        # Nothing was begun: an idle connection; or a body goes on that nobody waits for.
        if not self.conn.trailing_data[0] or self.conn.our_state is h11.DONE:
            self.transport.close()
            return
        self._refuse(
            Refusal(
                408,
                "too_slow",
                f"the head of the request was not complete after {self._limits.head_s:g} s; "
                "send it in one piece",
            )
        )

    def _refuse(self, refusal: Refusal) -> None:
        """Answer with an error, below all of the app, and close when the client has read it."""
        self._metrics.count_refusal(refusal.code)
        self._is_refused = True
        self._stop_watching()
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True  # its request will have no end
            self.cycle.message_event.set()
        body = encode_refusal(refusal.code, refusal.detail)
        headers = {
            "content-type": "application/json",
            "content-length": str(len(body)),
            "connection": "close",
            **(refusal.headers or {}),
        }
        status = http.HTTPStatus(refusal.status_code)
        for event in (
            h11.Response(status_code=status, headers=list(headers.items()), reason=status.phrase),
            h11.Data(data=body),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        # Closed at once, with bytes of the client unread, the connection would be reset and the
        # response lost. So we only stop writing; the client's own end closes it, or this timer.
        self.transport.write_eof()
        self._deadline = self.loop.call_later(self._limits.discard_s, self.transport.close)


def _describe(error: BaseException | None) -> str:
    said = str(error).partition(": bytearray")[0]  # behind it stands what the client sent
    return next((text for word, text in _FAULTS.items() if word in said), "it cannot be read")


def guard_connections(limits: Limits, metrics: Metrics) -> Callable[..., GuardedProtocol]:
    """Return what uvicorn calls for each connection."""

    def connect(**uvicorns: Any) -> GuardedProtocol:
        return GuardedProtocol(limits=limits, metrics=metrics, **uvicorns)

    return connect
