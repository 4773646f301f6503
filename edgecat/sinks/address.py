"""Addresses of other machines, as a user gives them: without secrets, whatever stands in them."""

import dataclasses
import urllib.parse
from collections.abc import Mapping

from edgecat.errors import ConfigError


@dataclasses.dataclass(frozen=True)
class Address:
    """Where somebody listens.

    Attributes:
        scheme: How to talk, such as "mqtts".
        host: A name or an IP address, without brackets.
        port: 1-65535.
        target: Path and query, "" if there is none.
    """

    scheme: str
    host: str
    port: int
    target: str

    def __str__(self) -> str:
        """Return it for messages: what follows the port may be a secret, and is left out."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


def parse_address(text: str, *, option: str, ports: Mapping[str, int], login: str) -> Address:
    """Return the address in a text.

    Args:
        text: Such as "mqtts://broker.local".
        option: Whose value it is, for messages.
        ports: The accepted schemes, each with the port that is meant if none is given.
        login: Where a login belongs, for the message that refuses it here.

    Raises:
        ConfigError: It is none, or has a login in it.
    """
    accepted = " or ".join(f"{scheme}://HOST[:PORT]" for scheme in ports)
    try:
        parts = urllib.parse.urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise ConfigError(f"{option}: no address ({error}); give {accepted}") from None
    if parts.username is not None or parts.password is not None:
        raise ConfigError(
            f"{option}: a login in an address can be read by every user of this machine; {login}"
        )
    is_whole = parts.scheme in ports and parts.hostname and port != 0 and not parts.fragment
    if not (is_whole and text.isprintable() and " " not in text):
        raise ConfigError(f"{option} {_hide(text)}: no address; give {accepted}")
    target = urllib.parse.urlunsplit(("", "", parts.path, parts.query, ""))
    return Address(parts.scheme, str(parts.hostname), port or ports[parts.scheme], target)


def _hide(text: str) -> str:
    """Return a text that is no address, as far as it cannot be a secret."""
    return repr(text.partition("?")[0][:60].rpartition("@")[2])
