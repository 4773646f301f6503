"""Tell systemd how a service does, where systemd asked for it.

Source: sd_notify(3), sd_watchdog_enabled(3). The protocol is one datagram a message, so no library
is needed; outside of systemd nothing is sent.
"""

import contextlib
import os
import socket

from edgecat.errors import ConfigError


def notify(state: str) -> None:
    """Send a state to the service manager, if there is one.

    Args:
        state: "READY=1", "WATCHDOG=1", "STOPPING=1", "STATUS=a line for systemctl status".
    """
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):  # an abstract socket: its name starts with a NUL
        address = "\0" + address[1:]
    # A manager that does not listen any more is no reason to stop the work.
    with (
        contextlib.suppress(OSError),
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager,
    ):
        manager.sendto(state.encode(), address)


def watchdog_interval_s() -> float | None:
    """Return how often to send "WATCHDOG=1", in seconds; None where nobody waits for it.

    It is half of the time after which systemd restarts the service, as sd_watchdog_enabled(3)
    advises.

    Raises:
        ConfigError: WATCHDOG_USEC is no number of microseconds.
    """
    microseconds = os.environ.get("WATCHDOG_USEC")
    if not microseconds or os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    if not microseconds.isdecimal() or int(microseconds) == 0:
        raise ConfigError(
            f"WATCHDOG_USEC={microseconds}: must be a whole number of microseconds above 0; "
            "systemd sets it from WatchdogSec= of the unit"
        )
    return int(microseconds) / 1e6 / 2
