"""The server: an address, the application behind it, and an orderly end."""

import asyncio
import contextlib
import dataclasses
import errno
import ipaddress
import os
import socket
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import cast

import uvicorn
from starlette.middleware import Middleware
from starlette.types import ASGIApp

from edgecat.errors import ConfigError
from edgecat.keep.keeper import Keeper
from edgecat.machine.cores import count_threads
from edgecat.serve.app import PhotoService, build_app
from edgecat.serve.connection import guard_connections
from edgecat.serve.door import LOOPBACK_NAMES, Door, load_token
from edgecat.serve.limits import Limits
from edgecat.serve.line import Line
from edgecat.serve.metrics import Metrics
from edgecat.serve.upkeep import Upkeep
from edgecat.service.live import LiveClassifier
from edgecat.service.signals import Signals

# What a machine says that has no IPv6, or has it switched off.
_NO_SUCH_ADDRESS = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


@dataclasses.dataclass(frozen=True)
class Address:
    """Where to listen.

    Attributes:
        host: An IP address; "localhost" for 127.0.0.1 and, where this machine has it, ::1.
        port: 0 for any free one.
        token_file: Holds what clients have to know; None on a loopback address only.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    token_file: Path | None = None

    @property
    def ips(self) -> tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, ...]:
        """Return the addresses as such.

        Raises:
            ConfigError: It is none.
        """
        names = ("127.0.0.1", "::1") if self.host == "localhost" else (self.host,)
        try:
            return tuple(ipaddress.ip_address(name) for name in names)
        except ValueError:
            raise ConfigError(
                f"--host {self.host}: not an IP address; accepted are such as 127.0.0.1 or ::1 "
                "(this machine only), localhost (both of them) or 0.0.0.0 (every network)"
            ) from None

    @property
    def is_loopback(self) -> bool:
        """Return whether only this machine can reach it.

        Raises:
            ConfigError: As `ips`.
        """
        return all(ip.is_loopback for ip in self.ips)

    @property
    def in_url(self) -> str:
        """Return the address as it stands in an URL, without port.

        Raises:
            ConfigError: As `ips`.
        """
        ip, *others = self.ips
        if others:
            return self.host
        return f"[{ip}]" if ip.version == 6 else str(ip)


class _Server(uvicorn.Server):
    """uvicorn's server, which has its own way with signals: a second SIGTERM it passes over."""

    def __init__(self, config: uvicorn.Config, signals: Signals) -> None:
        super().__init__(config)
        self._signals = signals

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield

    async def on_tick(self, counter: int) -> bool:
        return await super().on_tick(counter) or self._signals.is_stopping


def choose_threads() -> int:
    """Return with how many threads the model of a server computes: those that pay off but one.

    That one is the network's: on 2 cores a second thread costs a quarter to a half of the answers
    a second (benchmarks/results/*/serve_workers.json).
    """
    return max(1, count_threads() - 1)


def serve(
    classifier: LiveClassifier,
    address: Address,
    limits: Limits,
    signals: Signals,
    say: Callable[[str], object],
    keeper: Keeper | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT; SIGHUP reloads the bundle.

    Args:
        classifier: Answers.
        address: Where to listen.
        limits: What clients may ask at most.
        signals: Taken over.
        say: Tells the operator what happens.
        keeper: Keeps photos that are worth a look; None to keep none.

    Raises:
        ConfigError: The token or the address is not accepted.
    """
    server = build_server(classifier, address, limits, signals, say, keeper)
    current = classifier.current
    news = [current.choice.news] if current.choice.news else []
    run(server, address, f"serving {current.bundle.spec.name} ({current.variant})", say, news)


def build_server(
    classifier: LiveClassifier,
    address: Address,
    limits: Limits,
    signals: Signals,
    say: Callable[[str], object],
    keeper: Keeper | None = None,
) -> uvicorn.Server:
    """Return a server of photos to run on listening sockets; arguments as for `serve`.

    Raises:
        ConfigError: The token is not accepted.
    """
    metrics, line = Metrics(), Line(limits)
    metrics.watch_line(line)
    upkeep = Upkeep(classifier, line, metrics, signals, say)
    door = build_door(address, limits, metrics)
    app = build_app(PhotoService(classifier, line, limits, metrics, say, keeper), door, upkeep)
    return build_http_server(app, limits, metrics, signals)


def run(
    server: uvicorn.Server,
    address: Address,
    what: str,
    say: Callable[[str], object],
    news: Sequence[str] = (),
) -> None:
    """Listen, tell where, and run a server until it is stopped.

    Args:
        server: Of `build_http_server`.
        address: Where to listen.
        what: It does, for the operator.
        say: Tells the operator.
        news: What else there is to tell.

    Raises:
        ConfigError: The address is not accepted.
    """
    listeners = listen(address)
    port = listeners[0].getsockname()[1]
    to_whom = "to this machine only" if address.token_file is None else "with the token"
    say(f"{what} at http://{address.in_url}:{port}/, {to_whom}; Ctrl-C stops it")
    for line in news:
        say(line)
    server.run(sockets=listeners)
    say("stopped")


def build_door(address: Address, limits: Limits, metrics: Metrics) -> Middleware:
    """Return what lets requests in or not.

    Raises:
        ConfigError: As `check_token`.
    """
    # Each once, since a refusal lists them; 127.0.0.2 is one more.
    own_names = tuple(dict.fromkeys([*LOOPBACK_NAMES, address.in_url]))
    return Middleware(
        Door,
        limits,
        metrics,
        token=check_token(address),
        host_names=own_names if address.is_loopback else None,
    )


def build_http_server(
    app: ASGIApp, limits: Limits, metrics: Metrics, signals: Signals
) -> uvicorn.Server:
    """Return a server of an application behind a door, to run on listening sockets."""
    config = uvicorn.Config(
        app,
        http=cast(type[asyncio.Protocol], guard_connections(limits, metrics)),
        loop="asyncio",
        ws="none",
        lifespan="on",
        interface="asgi3",
        h11_max_incomplete_event_size=limits.max_head_bytes,
        timeout_keep_alive=limits.head_s,  # type: ignore[arg-type]
        timeout_graceful_shutdown=limits.stop_s,  # type: ignore[arg-type]
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_config=None,
        log_level="error",
    )
    return _Server(config, signals)


def check_token(address: Address) -> str | None:
    """Return the token that clients of this address need; None for none.

    Raises:
        ConfigError: Other machines can reach the address and there is no token, or the token's
            file is not accepted.
    """
    if address.token_file is not None:
        return load_token(address.token_file)
    if not address.is_loopback:
        raise ConfigError(
            f"--host {address.host}: other machines can reach it, so clients need a token; add "
            "--token-file FILE with one (umask 077; openssl rand -hex 32 > FILE), or use "
            "--host 127.0.0.1"
        )
    return None


def listen(address: Address) -> list[socket.socket]:
    """Return listening sockets, on one port, one for each of the addresses that this machine has.

    Raises:
        ConfigError: The address is not this machine's, is taken, or may not be used.
    """
    listeners: list[socket.socket] = []
    port = address.port
    for ip in address.ips:
        family = socket.AF_INET6 if ip.version == 6 else socket.AF_INET
        try:
            listener = socket.create_server((str(ip), port), family=family, backlog=128)
        except OSError as error:
            if listeners and error.errno in _NO_SUCH_ADDRESS:
                continue  # a machine without IPv6
            for opened in listeners:
                opened.close()
            reason = os.strerror(error.errno or 0)
            raise ConfigError(
                f"--host {address.host} --port {port}: {reason}; choose another "
                "--port (0 for any free one), or an address of this machine"
            ) from error
        # Connections inherit it. Without it the second part of each answer waits 40 ms for the
        # client to confirm the first; asyncio sets it only on sockets made with an explicit
        # IPPROTO_TCP.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listeners.append(listener)
        port = listener.getsockname()[1]
    return listeners
