"""The options of whom else a service tells its answers."""

import contextlib
import dataclasses
import hashlib
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgecat.cli.options import hand_on_as
from edgecat.cli.output import TerminalProgress
from edgecat.errors import ConfigError

if TYPE_CHECKING:
    from edgecat.sinks.sink import Sink

_OPTIONS = {
    "mqtt": click.option(
        "--mqtt",
        metavar="mqtts://HOST[:PORT]",
        help="Publish the answers to this broker, for Home Assistant and others "
        "(edgecat help home-automation). mqtt:// is not encrypted.",
    ),
    "mqtt_ca": click.option(
        "--mqtt-ca",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Who signed the broker's certificate, in PEM; default: whom the system trusts.",
    ),
    "mqtt_login": click.option(
        "--mqtt-login",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="A file of two lines, user and password, that only its owner may read.",
    ),
    "mqtt_topic": click.option(
        "--mqtt-topic",
        metavar="TOPIC",
        help="Publish under this topic, which no other service may have; it is also the name in "
        "Home Assistant. Default: edgecat/ and a name made of the machine's and the service's.",
    ),
    "post": click.option(
        "--post",
        metavar="https://HOST[:PORT]/PATH",
        help="Post each answer to this address, as JSON. http:// is not encrypted.",
    ),
    "post_token": click.option(
        "--post-token",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="With --post: send the token in this file, which only its owner may read.",
    ),
}

_OUTBOX = {
    "outbox": click.option(
        "--outbox",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Where answers wait while --mqtt or --post is away; needed with either.",
    ),
}

# Each option and the one without which it means nothing.
_NEEDS = {"mqtt_ca": "mqtt", "mqtt_login": "mqtt", "mqtt_topic": "mqtt", "post_token": "post"}


@dataclasses.dataclass(frozen=True)
class Teller:
    """A service that has sinks.

    Attributes:
        name: What it is about, for people.
        place: A path that no other service on this machine has.
        load_photo: Returns the photo of a line, None if it is not there any more; None itself if
            there are no photos.
    """

    name: str
    place: Path
    load_photo: Callable[[bytes], bytes | None] | None


def sink_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of its sinks, and hand them on as one: `sinking`."""
    return hand_on_as("sinking", _OPTIONS, command)


def outbox_options(command: Callable[..., None]) -> Callable[..., None]:
    """Do the same for a command that keeps no results, in which answers could wait."""
    return hand_on_as("sinking", _OPTIONS | _OUTBOX, command)


@contextlib.contextmanager
def open_outbox(
    sinking: dict[str, Any], name: str, progress: TerminalProgress
) -> Iterator[Callable[[dict[str, Any]], bool] | None]:
    """Yield what tells an answer to the sinks that the options ask for, None if there are none.

    Args:
        sinking: The options' values.
        name: What the service is about, for people.
        progress: Told of troubles and their ends.

    Raises:
        ConfigError: As `build_sinks`, or no place for answers to wait.
    """
    path = sinking["outbox"]
    has_sinks = sinking["mqtt"] is not None or sinking["post"] is not None
    if has_sinks != (path is not None):
        raise ConfigError(
            "--outbox: belongs to --mqtt or --post, and they to it: answers wait in that file "
            "while nobody takes them; give both, such as --outbox outbox.sqlite"
        )
    sinks = build_sinks(sinking, Teller(name, path or Path(name), None), progress.say)
    if path is None:
        yield None
        return
    from edgecat.sinks.outbox import Outbox

    with Outbox(path, sinks, progress) as outbox:
        yield outbox.tell


def build_sinks(
    sinking: dict[str, Any],
    teller: Teller,
    say: Callable[[str], object],
) -> list["Sink"]:
    """Return the sinks that the options ask for.

    Args:
        sinking: The options' values.
        teller: Whose answers they are told.
        say: Tells the user what to know about them.

    Raises:
        ConfigError: Options that do not go together, or are not accepted.
    """
    for option, needed in _NEEDS.items():
        if sinking[option] is not None and sinking[needed] is None:
            given, wanted = (f"--{name.replace('_', '-')}" for name in (option, needed))
            raise ConfigError(f"{given}: belongs to {wanted} ADDRESS, which is not given")
    sinks: list[Sink] = []
    if sinking["mqtt"] is not None:
        sinks.append(_build_mqtt(sinking, teller, say))
    if sinking["post"] is not None:
        sinks.append(_build_webhook(sinking["post"], sinking["post_token"], say))
    return sinks


def _build_mqtt(sinking: dict[str, Any], teller: Teller, say: Callable[[str], object]) -> "Sink":
    from edgecat.sinks.broker import check_topic, open_broker
    from edgecat.sinks.home_assistant import Device
    from edgecat.sinks.mqtt import MqttSink

    broker = open_broker(sinking["mqtt"], sinking["mqtt_ca"], sinking["mqtt_login"])
    if broker.login is not None and broker.tls is None:
        say(f"{broker.address}: the password is sent without encryption; mqtts:// has it")
    topic = sinking["mqtt_topic"]
    if topic is None:
        topic, name = _make_topic(teller), f"edgecat {teller.name}"
    else:
        check_topic(topic)
        name = topic.rpartition("/")[2]
    say(f"publishing to {broker.address} under {topic}/")
    device = Device(topic, name, has_photos=teller.load_photo is not None)
    return MqttSink(broker, device, teller.load_photo or (lambda line: None))


def _build_webhook(url: str, token_file: Path | None, say: Callable[[str], object]) -> "Sink":
    from edgecat.service.secret import load_token
    from edgecat.sinks.address import parse_address
    from edgecat.sinks.webhook import PORTS, WebhookSink

    mend = "put a token into a file and give --post-token FILE"
    address = parse_address(url, option="--post", ports=PORTS, login=mend)
    token = None if token_file is None else load_token(token_file, option="--post-token")
    if token is not None and address.scheme == "http":
        say(f"{address}: the token is sent without encryption; https:// has it")
    say(f"posting to {address}")
    return WebhookSink(address, token)


def _make_topic(teller: Teller) -> str:
    """Return a topic that stays the same for a service, and that no other one has."""
    from edgecat.sinks.home_assistant import to_id

    host, real = socket.gethostname(), str(teller.place.resolve())
    digest = hashlib.sha256(f"{host}:{real}".encode("utf-8", "surrogateescape")).hexdigest()
    return f"edgecat/{to_id(host)}-{to_id(teller.name)}-{digest[:6]}"
