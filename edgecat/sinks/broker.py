"""The MQTT broker that a user names: its address, what proves that it is it, and the login."""

import dataclasses
import ssl
from pathlib import Path

from edgecat.errors import ConfigError
from edgecat.progress import describe_count
from edgecat.service.secret import load_secret
from edgecat.sinks.address import Address, parse_address

# Source: IANA's service names "mqtt" and "secure-mqtt".
_PORTS = {"mqtts": 8883, "mqtt": 1883}

# A user name and a password: MQTT allows 64 KiB each, and nobody has such.
_MAX_LOGIN_BYTES = 2048

# MQTT allows 64 KiB.
_MAX_TOPIC_CHARACTERS = 200

_MAKE_LOGIN = "make one of two lines, user and password: (umask 077; nano FILE)"


@dataclasses.dataclass(frozen=True)
class Login:
    """Who we are to a broker."""

    user: str
    password: str = dataclasses.field(repr=False)


@dataclasses.dataclass(frozen=True)
class Broker:
    """Where answers are published.

    Attributes:
        address: With the scheme "mqtts" or "mqtt".
        tls: Verifies the broker's certificate and name; None for a connection that is not secret.
        login: None where the broker asks for none.
    """

    address: Address
    tls: ssl.SSLContext | None
    login: Login | None


def open_broker(url: str, ca: Path | None, login: Path | None) -> Broker:
    """Return what is known of a broker; it is not called yet.

    Args:
        url: `mqtts://host[:port]`, or `mqtt://...`.
        ca: A file with the certificates that may have signed the broker's; None for those that the
            system trusts.
        login: A file of two lines, user and password.

    Raises:
        ConfigError: An address that is none, a file that is none or is open to everybody.
    """
    address = parse_address(
        url, option="--mqtt", ports=_PORTS, login="put it into a file and give --mqtt-login FILE"
    )
    if address.target.strip("/"):
        raise ConfigError(f"--mqtt {address}: a broker has no path; give --mqtt-topic for topics")
    if ca is not None and address.scheme != "mqtts":
        raise ConfigError(f"--mqtt-ca: {address} uses no certificate; give mqtts://{address.host}")
    tls = _build_tls(ca) if address.scheme == "mqtts" else None
    return Broker(address, tls, None if login is None else _load_login(login))


def check_topic(topic: str) -> None:
    """Refuse a topic that cannot be published under.

    Raises:
        ConfigError: It is one.
    """
    levels = topic.split("/")
    is_fit = all(levels) and topic.isprintable() and len(topic) <= _MAX_TOPIC_CHARACTERS
    if not is_fit or topic.startswith("$") or set(topic) & set("#+"):
        raise ConfigError(
            f"--mqtt-topic {topic!r}: accepted are 1 to {_MAX_TOPIC_CHARACTERS} characters without "
            "# and +, no $ at the beginning, no empty level; give one such as edgecat/front-door"
        )


def _build_tls(ca: Path | None) -> ssl.SSLContext:
    """Return what verifies certificates and names, always.

    Raises:
        ConfigError: A file without certificates.
    """
    try:
        return ssl.create_default_context(cafile=None if ca is None else str(ca))
    except OSError as error:  # ssl.SSLError is one
        raise ConfigError(
            f"--mqtt-ca {ca}: no certificates in PEM ({error.strerror or error}); give the file "
            "of the authority that signed the broker's certificate"
        ) from error


def _load_login(path: Path) -> Login:
    option = "--mqtt-login"
    text = load_secret(path, option=option, max_bytes=_MAX_LOGIN_BYTES, mend=_MAKE_LOGIN)
    # Not `splitlines`: a password may have signs at which that breaks lines, too.
    lines = text.replace("\r\n", "\n").removesuffix("\n").split("\n")
    if len(lines) != 2 or not lines[0] or len(text.encode()) > _MAX_LOGIN_BYTES:
        raise ConfigError(
            f"{option} {path}: has {describe_count(len(lines), 'line')}; {_MAKE_LOGIN}, of "
            f"{_MAX_LOGIN_BYTES} bytes at most"
        )
    return Login(*lines)
