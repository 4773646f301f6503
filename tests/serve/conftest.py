"""A real server on a free loopback port, and clients that write single bytes."""

import contextlib
import http.client
import io
import json
import socket
import threading
import time

import pytest
from PIL import Image

pytest.importorskip("uvicorn", reason="needs edgecat[serve]")
pytest.importorskip("starlette", reason="needs edgecat[serve]")

from edgecat.serve.limits import Limits
from edgecat.serve.server import Address, build_server, listen
from edgecat.service.live import LiveClassifier
from edgecat.service.signals import Signals
from tests.conftest import write_bundle
from tests.serve.promises import check_answer

TIMEOUT_S = 30  # a server that hangs fails the test


class Served:
    """A running server and how to talk to it."""

    def __init__(self, port, said):
        self.port = port
        self.said = said

    def ask(self, method, path, body=None, headers=None, client="127.0.0.1"):
        """Return status, headers and the body, JSON decoded."""
        connection = http.client.HTTPConnection(
            "127.0.0.1", self.port, timeout=TIMEOUT_S, source_address=(client, 0)
        )
        with contextlib.closing(connection):
            connection.request(method, path, body, headers or {})
            answer = read_response(connection.getresponse())
        if method != "HEAD":
            kind = answer[1].get("content-type", "")
            self.check(method, path, answer[0], kind, answer[2])
        return answer

    check = staticmethod(check_answer)

    def predict(self, body, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask("POST", "/v1/predict", body, headers)

    def connect(self, client="127.0.0.1"):
        """Open a connection from one of the addresses that a Linux machine has for itself."""
        return socket.create_connection(("127.0.0.1", self.port), TIMEOUT_S, (client, 0))

    def count(self, outcome):
        """Return how many requests ended so."""
        return self.metric(f'edgecat_requests_total{{outcome="{outcome}"}}')

    def metric(self, line):
        """Return the number of a line of the metrics; 0 while nothing was counted there."""
        text = self.ask("GET", "/metrics")[2].decode()
        found = [row.split()[-1] for row in text.splitlines() if row.startswith(f"{line} ")]
        return float(found[0]) if found else 0


def read_response(response):
    body = response.read()
    if "json" in response.getheader("content-type", ""):
        body = json.loads(body)
    return response.status, response.headers, body


def finish(connection):
    """Read the response on a raw connection."""
    response = http.client.HTTPResponse(connection)
    response.begin()
    return read_response(response)


def begin_upload(connection, photo, num_bytes):
    """Send a head that promises a photo, and its first bytes."""
    head = f"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(photo)}\r\n\r\n"
    connection.sendall(head.encode() + photo[:num_bytes])


def wait_until(condition):
    """Return when a condition holds, or fail."""
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


@contextlib.contextmanager
def running(bundle, address=None, limits=None, variant=None, keeper=None):
    address = address or Address(port=0)
    said = []
    classifier = LiveClassifier(bundle, variant, threads=1)
    listeners = listen(address)
    server = build_server(classifier, address, limits or Limits(), Signals(), said.append, keeper)
    thread = threading.Thread(target=server.run, kwargs={"sockets": listeners})
    thread.start()
    try:
        wait_until(lambda: server.started or not thread.is_alive())
        yield Served(listeners[0].getsockname()[1], said)
    finally:
        server.should_exit = True
        thread.join(TIMEOUT_S)
        assert not thread.is_alive()


@pytest.fixture
def colours(make_bundle, colour_model):
    """A bundle whose tiny model says which colour a photo has most of."""
    return make_bundle(files={"model.onnx": colour_model}, name="colours")


@pytest.fixture(scope="module")
def served(tmp_path_factory, colour_model):
    """A server with such a bundle and the usual limits; a module's tests share it."""
    files = {"model.onnx": colour_model}
    with running(write_bundle(tmp_path_factory.mktemp("served"), files=files)) as server:
        yield server


def draw(colour, kind="PNG", size=(64, 48)):
    """Return the bytes of a picture of one colour."""
    data = io.BytesIO()
    Image.new("RGB", size, colour).save(data, kind)
    return data.getvalue()
