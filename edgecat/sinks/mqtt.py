"""The MQTT sink: each answer to a broker, and the newest one to Home Assistant.

Under the topic of the service, all retained and with QoS 1 ("at least once"):

    answers/N    each answer; N is its number modulo 100
    state        the newest answer, in short
    photo        its photo, small
    status       online or offline

**Nothing is lost**: the broker has to acknowledge an answer before it counts as taken (`courier`).
What it acknowledged it may forget when it is killed, or have had no time to pass on; so with every
connection the last 100 answers are published again. A subscriber of `answers/+` that was away gets
what stands there, whatever the broker forgot, as long as it missed fewer than 100.

**Nothing is told twice**: an answer that is sent again is the same message in the same place, with
the same id. Whoever passes over the ids that he has seen, sees each once. Home Assistant reads
`state`: the same state again is no change.
"""

import contextlib
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from edgecat.errors import ImageError
from edgecat.sinks.broker import Broker
from edgecat.sinks.home_assistant import (
    BIRTH,
    BIRTH_TOPIC,
    OFFLINE,
    ONLINE,
    Device,
    build_discovery,
    build_state,
)
from edgecat.sinks.message import build_message, encode
from edgecat.sinks.queue import NUM_RECENT, Entry
from edgecat.sinks.sink import Unreachable
from edgecat.sinks.thumbnail import make_thumbnail

_AT_LEAST_ONCE = 1

# How long a broker may take for a step: to accept the connection, to acknowledge.
_CONNECT_S = 5.0
_ANSWER_S = 10.0

# A broker that is silent for one and a half times as long counts as away, and so do we to it.
_KEEP_ALIVE_S = 30

# How long a new answer waits at most while the connection rests.
_TICK_S = 0.1


class MqttSink:
    """A broker. See `edgecat.sinks.sink.Sink`."""

    name = "mqtt"

    def __init__(
        self, broker: Broker, device: Device, load_photo: Callable[[bytes], bytes | None]
    ) -> None:
        """Prepare.

        Args:
            broker: Which.
            device: What Home Assistant shows.
            load_photo: Returns the photo of a line of the queue, None if it is not there any more.
        """
        import paho.mqtt.client
        import paho.mqtt.enums

        self._mqtt = paho.mqtt.client
        self._callback_version = paho.mqtt.enums.CallbackAPIVersion.VERSION2
        self.address = str(broker.address)
        self._broker = broker
        self._device = device
        self._load_photo = load_photo
        self._client: Any = None
        self._refusal: str | None = None
        self._is_accepted = False
        self._is_unknown = False  # to somebody, since the last look
        self._newest: Entry | None = None  # of those that tell an answer
        self._sent: list[Any] = []  # and may not be acknowledged yet

    def connect(self, recent: Sequence[Entry]) -> None:
        """Call the broker, and let it know again what it may have forgotten.

        Raises:
            Unreachable: It is away, refuses, or is not the one that it should be.
        """
        self._client = self._build_client()
        address = self._broker.address
        try:
            self._client.connect(address.host, address.port, _KEEP_ALIVE_S)
        except ssl.SSLCertVerificationError as error:
            raise Unreachable(
                f"its certificate is not accepted ({error.verify_message}); give --mqtt-ca FILE "
                "with the authority that signed it, or a name that it is made out to"
            ) from error
        except (OSError, UnicodeError) as error:
            raise Unreachable(f"cannot be reached ({error})") from error
        self._wait_for(lambda: self._is_accepted, "does not answer as an MQTT broker does")
        self._client.subscribe(BIRTH_TOPIC, _AT_LEAST_ONCE)
        with self._publishing():
            for entry in recent:
                self._publish_answer(entry)
            self._newest = next((e for e in reversed(recent) if _tells_answer(e)), None)
            self._introduce()
        # Now that "online" stands there: not what the broker has kept of an earlier connection.
        self._client.subscribe(self._device.status_topic, _AT_LEAST_ONCE)

    def take(self, entry: Entry) -> None:
        """Publish an answer, and if it is the newest, the state."""
        with self._publishing():
            self._publish_answer(entry)
            if _tells_answer(entry):
                self._newest = entry
            if entry.is_newest:
                self._publish_state()

    def rest(self, wake: threading.Event) -> None:
        """Stay in touch until there is something to publish, or somebody to introduce to."""
        end_s = time.monotonic() + 1
        while not wake.is_set() and time.monotonic() < end_s:
            self._turn()
            if self._is_unknown:
                self._is_unknown = False
                with self._publishing():
                    self._introduce()

    def hang_up(self, *, is_over: bool) -> None:
        """End the connection; at the end of the service say that it is offline."""
        client, self._client = self._client, None
        if client is None:
            return
        with contextlib.suppress(OSError, ValueError, RuntimeError):
            if is_over and client.is_connected():
                said = client.publish(self._device.status_topic, OFFLINE, _AT_LEAST_ONCE, True)
                end_s = time.monotonic() + 1
                while not said.is_published() and time.monotonic() < end_s:
                    client.loop(_TICK_S)
                client.disconnect()
        # Without a farewell the broker tells the last will.
        if (socket := client.socket()) is not None:
            socket.close()

    def _build_client(self) -> Any:
        client = self._mqtt.Client(
            self._callback_version, self._device.client_id, clean_session=True
        )
        client.connect_timeout = _CONNECT_S
        if self._broker.tls is not None:
            client.tls_set_context(self._broker.tls)
        if self._broker.login is not None:
            client.username_pw_set(self._broker.login.user, self._broker.login.password)
        client.will_set(self._device.status_topic, OFFLINE, _AT_LEAST_ONCE, retain=True)
        self._refusal, self._is_accepted, self._is_unknown = None, False, False
        client.on_connect = self._note_connection
        client.on_message = self._note_message
        return client

    def _note_connection(
        self, client: Any, data: Any, flags: Any, reason: Any, properties: Any
    ) -> None:
        if reason.is_failure:
            self._refusal = f"refuses the connection ({reason}); --mqtt-login FILE has the login"
        else:
            self._is_accepted = True

    def _note_message(self, client: Any, data: Any, message: Any) -> None:
        # Home Assistant has started; or the last will of a connection that was cut came too late.
        is_late_will = message.topic == self._device.status_topic and message.payload == OFFLINE
        is_birth = message.topic == BIRTH_TOPIC and message.payload == BIRTH
        self._is_unknown = self._is_unknown or is_birth or is_late_will

    def _introduce(self) -> None:
        """Tell Home Assistant what there is, that it is there, and what was answered last."""
        device = self._device
        self._publish(device.discovery_topic, encode(build_discovery(device)))
        self._publish(device.status_topic, ONLINE)
        self._publish_state()

    def _publish_answer(self, entry: Entry) -> None:
        topic = f"{self._device.topic}/answers/{entry.number % NUM_RECENT}"
        self._publish(topic, encode(build_message(entry)))

    def _publish_state(self) -> None:
        if self._newest is None:
            return
        if self._device.has_photos:
            # Without one the topic is emptied: better no photo than another one's.
            self._publish(self._device.photo_topic, self._load_thumbnail(self._newest) or b"")
        state = build_state(build_message(self._newest))
        self._publish(self._device.state_topic, encode(state or {}))

    def _load_thumbnail(self, entry: Entry) -> bytes | None:
        photo = self._load_photo(entry.line)
        try:
            return photo and make_thumbnail(photo)
        except ImageError:
            return None

    def _publish(self, topic: str, payload: bytes) -> None:
        """Send a message; `_publishing` waits until it is acknowledged."""
        self._sent.append(self._client.publish(topic, payload, _AT_LEAST_ONCE, retain=True))

    @contextlib.contextmanager
    def _publishing(self) -> Iterator[None]:
        """Wait at the end of the block until all that it published is acknowledged.

        A slow broker has the time that it needs, as long as it goes on.
        """
        self._sent = []
        yield
        for sent in self._sent:
            self._wait_for(sent.is_published, "acknowledges nothing")

    def _wait_for(self, is_done: Callable[[], bool], fault: str) -> None:
        end_s = time.monotonic() + _ANSWER_S
        while not is_done():
            if time.monotonic() >= end_s:
                raise Unreachable(f"{fault}, for {_ANSWER_S:g} s")
            self._turn()

    def _turn(self) -> None:
        """Let messages go and come for a moment.

        Raises:
            Unreachable: The connection broke.
        """
        code = self._client.loop(_TICK_S)
        if self._refusal is not None:
            raise Unreachable(self._refusal)
        if code != self._mqtt.MQTT_ERR_SUCCESS:
            raise Unreachable(f"the connection broke ({self._mqtt.error_string(code)})")


def _tells_answer(entry: Entry) -> bool:
    return build_state(build_message(entry)) is not None
