"""The webhook sink: each answer is posted as JSON to an address, one request an answer.

**Confirmed** is an answer by any status from 200 to 299. Of the others, 400, 413 and 422 are about
the answer itself: the third time it is left out, so that one that nobody wants does not hold up
the rest. All else (401, 404, 429, 500, ..., no answer at all) is about the address, and tried again
until it is mended. Redirects are not followed: what is posted goes where the user said.

**Told twice**: when the confirmation is lost, the same request comes again, before any other, with
the same `Idempotency-Key`, by which the other side knows it.
Source: draft-ietf-httpapi-idempotency-key-header
"""

import contextlib
import http.client
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from http import HTTPStatus

import edgecat
from edgecat.sinks.address import Address
from edgecat.sinks.message import build_message, encode
from edgecat.sinks.queue import Entry
from edgecat.sinks.sink import Rejected, Unreachable

#: The accepted schemes and their ports.
PORTS = {"https": 443, "http": 80}

_ABOUT_THE_ANSWER = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
)
_MAX_TRIALS = 3

# How long the other side may take for a step, and for all of a request.
_STEP_S, _REQUEST_S = 10.0, 30.0


class WebhookSink:
    """An address that takes answers. See `edgecat.sinks.sink.Sink`."""

    name = "post"

    def __init__(self, address: Address, token: str | None) -> None:
        """Prepare.

        Args:
            address: With the scheme "https" or "http".
            token: Sent as "Authorization: Bearer ..."; None: nothing is sent.
        """
        self.address = str(address)
        self._at = address
        self._token = token
        self._tls = ssl.create_default_context() if address.scheme == "https" else None
        self._num_trials = 0  # of the line that was refused last

    def connect(self, recent: Sequence[Entry]) -> None:
        """Do nothing: every answer is a connection of its own, and the other side forgets none."""

    def take(self, entry: Entry) -> None:
        """Post an answer.

        Raises:
            Unreachable: It was not confirmed.
            Rejected: The other side has refused this answer three times.
        """
        status, reason = self._post(entry)
        if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            self._num_trials = 0
            return
        said = f"answered {status} {reason}".strip()
        if status in _ABOUT_THE_ANSWER:
            self._num_trials += 1
            if self._num_trials == _MAX_TRIALS:
                self._num_trials = 0
                raise Rejected(f"{said} {_MAX_TRIALS} times")
        elif status < HTTPStatus.BAD_REQUEST:
            said += ", which leads elsewhere: give --post the address that it leads to"
        raise Unreachable(said)

    def rest(self, wake: threading.Event) -> None:
        """Wait."""
        wake.wait(1)

    def hang_up(self, *, is_over: bool) -> None:
        """Do nothing: no connection is left open."""

    def _post(self, entry: Entry) -> tuple[int, str]:
        """Return the status of an answer's request, and the words that it came with.

        Raises:
            Unreachable: There is none.
        """
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": f'"{entry.id}"',
            "User-Agent": f"edgecat/{edgecat.__version__}",
            "Connection": "close",
        }
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token}"
        try:
            with self._connection() as connection:
                body = encode(build_message(entry))
                connection.request("POST", self._at.target or "/", body, headers)
                response = connection.getresponse()
                return response.status, response.reason[:100]
        except ssl.SSLCertVerificationError as error:
            raise Unreachable(
                f"its certificate is not accepted ({error.verify_message}); give one that the "
                "system trusts, or the file of its authority as SSL_CERT_FILE"
            ) from error
        except (OSError, http.client.HTTPException, UnicodeError) as error:
            raise Unreachable(f"cannot be reached ({error or type(error).__name__})") from error

    @contextlib.contextmanager
    def _connection(self) -> Iterator[http.client.HTTPConnection]:
        """Yield a connection that is cut when its time is over, however slowly bytes come."""
        host, port = self._at.host, self._at.port
        if self._tls is None:
            connection = http.client.HTTPConnection(host, port, timeout=_STEP_S)
        else:
            connection = http.client.HTTPSConnection(host, port, timeout=_STEP_S, context=self._tls)
        with contextlib.closing(connection):
            connection.connect()
            cut = threading.Timer(_REQUEST_S, _shut, [connection.sock])
            cut.start()
            try:
                yield connection
            finally:
                cut.cancel()


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
