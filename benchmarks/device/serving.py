"""A running `edgecat serve cats12`, and clients that send it photos without a pause."""

import contextlib
import dataclasses
import http.client
import json
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from benchmarks.command import EDGECAT

_TIMEOUT_S = 60


@dataclasses.dataclass
class Request:
    """One request and what became of it.

    Attributes:
        kind: "photo", "garbage" or "cut off".
        body: What to send; of a cut-off one, half is sent.
        expected: The answer without its times; None where there is none to give.
        outcome: "right", "wrong", "lost"; "refused" is right for garbage, "cut" for a cut-off.
        latency_ms: From the first byte sent to the last byte read, of answered photos.
        stage_ms: The server's own times.
    """

    kind: str
    body: bytes
    expected: dict[str, Any] | None
    outcome: str = "lost"
    latency_ms: float | None = None
    stage_ms: dict[str, float] | None = None


class Client(threading.Thread):
    """Sends its requests one after the other, without a pause, over one connection."""

    def __init__(self, port: int, requests: list[Request], on_done: Any) -> None:
        """Prepare."""
        super().__init__()
        self._port, self._requests, self._on_done = port, requests, on_done

    def run(self) -> None:
        """Send."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_TIMEOUT_S)
        for request in self._requests:
            if request.kind == "cut off":
                self._cut_off(request)
            else:
                self._ask(connection, request)
            self._on_done(request)
        connection.close()

    def _ask(self, connection: http.client.HTTPConnection, request: Request) -> None:
        if connection.sock is None:
            connection.connect()
            connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        started = time.perf_counter()
        try:
            connection.request("POST", "/v1/predict", request.body, {"Content-Type": "image/jpeg"})
            response = connection.getresponse()
            answer = json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError):
            connection.close()
            return
        duration_ms = 1e3 * (time.perf_counter() - started)
        if request.kind == "garbage":
            is_refused = response.status in (400, 422) and answer.keys() == {"error"}
            request.outcome = "refused" if is_refused else "wrong"
            return
        request.latency_ms = duration_ms
        request.stage_ms = answer.pop("stage_ms", None)
        is_right = response.status == 200 and answer == request.expected
        request.outcome = "right" if is_right else "wrong"

    def _cut_off(self, request: Request) -> None:
        size = len(request.body)
        head = f"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n"
        with contextlib.suppress(OSError):
            with socket.create_connection(("127.0.0.1", self._port), _TIMEOUT_S) as half_way:
                half_way.sendall(head.encode() + request.body[: size // 2])
            request.outcome = "cut"


def run_all(clients: Sequence[threading.Thread]) -> float:
    """Run clients at the same time; return the seconds until the last is done."""
    started = time.perf_counter()
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    return time.perf_counter() - started


@contextlib.contextmanager
def server() -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run the server; yield its process and port; make sure that it ends well."""
    command = [EDGECAT, "serve", "cats12", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            line = process.stderr.readline() if process.stderr else ""
            port = re.search(r":(\d+)/", line)
            if port is None:
                raise click.ClickException(f"the server did not start: {line}")
            yield process, int(port[1])
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(_TIMEOUT_S)


def rss_mb(process: subprocess.Popen[str]) -> float:
    """Return the resident memory of a process."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) / 1024


def get(port: int, path: str) -> str:
    """Return what is at a path of the server."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_S)
    connection.request("GET", path)
    text = connection.getresponse().read().decode()
    connection.close()
    return text
