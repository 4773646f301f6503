"""The webhook sink at real servers: what confirms an answer, what is tried again or left out."""

import contextlib
import http.server
import json
import socket
import ssl
import subprocess
import sys
import threading
import time

import pytest
from PIL import Image

import edgecat.sinks.courier
import edgecat.sinks.webhook
from edgecat.errors import ConfigError
from edgecat.sinks.address import parse_address
from edgecat.sinks.courier import Couriers
from edgecat.sinks.webhook import PORTS, WebhookSink
from tests.sinks.conftest import put, wait_until

pytestmark = pytest.mark.slow  # starts servers and waits for them


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(edgecat.sinks.courier, "_FIRST_WAIT_S", 0.02)
    monkeypatch.setattr(edgecat.sinks.courier, "_LONGEST_WAIT_S", 0.1)


class Receiver(http.server.ThreadingHTTPServer):
    """Takes what is posted; `statuses` are given first, then 204 to all.

    Attributes:
        requests: Path, headers and body of each request.
    """

    def __init__(self, statuses=(), certificate=None):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.statuses, self.requests = list(statuses), []
        self.scheme = "http"
        if certificate:
            self.scheme = "https"
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"{self.scheme}://localhost:{self.server_port}/hook/secret?key=1"

    @property
    def bodies(self):
        return [json.loads(body) for _, _, body in self.requests]


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(num_bytes := int(self.headers["Content-Length"]))
        if len(body) < num_bytes:
            return  # whoever sent it was killed
        self.server.requests.append((self.path, self.headers, body))
        statuses = self.server.statuses
        self.send_response(statuses.pop(0) if statuses else 204)
        self.send_header("Location", "http://localhost:1/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments):
        pass


@pytest.fixture
def receive():
    with contextlib.ExitStack() as stack:

        def start(*statuses, certificate=None):
            server = Receiver(statuses, certificate)
            stack.callback(server.server_close)
            stack.callback(server.shutdown)
            return server

        yield start


@pytest.fixture
def carry(open_queue, said):
    with contextlib.ExitStack() as stack:

        def start(url, token=None):
            address = parse_address(url, option="--post", ports=PORTS, login="")
            queue = open_queue("post")
            couriers = Couriers(queue, [WebhookSink(address, token)], said, patience_s=0)
            stack.enter_context(couriers)
            return queue

        yield start


def is_empty(queue):
    return lambda: queue.count_waiting("post") == 0


def test_each_answer_is_posted_as_json_with_its_key(receive, carry, said):
    server = receive()
    queue = carry(server.url, token="0123456789abcdef")
    put(queue, {"photo": "a.jpg", "answer": "고양이"}, {"photo": "\udcff.jpg"})
    wait_until(is_empty(queue))
    (path, headers, _), (_, more, _) = server.requests
    assert path == "/hook/secret?key=1"
    assert headers["Content-Type"] == "application/json"
    assert headers["Authorization"] == "Bearer 0123456789abcdef"
    first, second = server.bodies
    assert (first["photo"], first["answer"], second["photo"]) == ("a.jpg", "고양이", "?.jpg")
    assert headers["Idempotency-Key"] == f'"{first["id"]}"'
    assert more["Idempotency-Key"] == f'"{second["id"]}"'
    assert said == []


@pytest.mark.parametrize("status", [301, 307, 401, 404, 408, 429, 500, 503])
def test_what_is_about_the_address_is_tried_until_it_is_mended(receive, carry, said, status):
    server = receive(*[status] * 5)
    queue = carry(server.url)
    put(queue, {"photo": "a.jpg"}, {"photo": "b.jpg"})
    wait_until(is_empty(queue))
    assert [body["photo"] for body in server.bodies] == ["a.jpg"] * 6 + ["b.jpg"]
    assert len({headers["Idempotency-Key"] for _, headers, _ in server.requests[:6]}) == 1
    wait_until(lambda: len(said) == 2)
    assert f"answered {status}" in said[0]
    assert ("give --post the address that it leads to" in said[0]) == (status < 400)
    assert "secret" not in said[0]


@pytest.mark.parametrize("status", [400, 413, 422])
def test_an_answer_that_is_refused_three_times_is_left_out_and_told(receive, carry, said, status):
    server = receive(*[status] * 3)
    queue = carry(server.url)
    put(queue, {"photo": "a.jpg"}, {"photo": "b.jpg"})
    wait_until(is_empty(queue))
    assert [body["photo"] for body in server.bodies] == ["a.jpg"] * 3 + ["b.jpg"]
    assert any("answer 1 is left out: answered" in line for line in said)


def test_an_answer_whose_confirmation_is_lost_comes_again_before_the_next(listen, receive, carry):
    server, lost = receive(), []

    def take_and_hang_up(connection):
        if not lost:
            lost.append(connection.recv(100_000))
            connection.close()
            return
        relay(connection, server.server_port)

    port = listen(take_and_hang_up)
    queue = carry(f"http://127.0.0.1:{port}/")
    put(queue, {"photo": "a.jpg"}, {"photo": "b.jpg"})
    wait_until(is_empty(queue))
    key = server.requests[0][1]["Idempotency-Key"]
    assert f"Idempotency-Key: {key}".encode() in lost[0]
    assert [body["photo"] for body in server.bodies] == ["a.jpg", "b.jpg"]


def relay(connection, port):
    """Hand a request on to a server, and its answer back."""
    with socket.create_connection(("127.0.0.1", port)) as other:
        request = connection.recv(100_000)
        head, _, body = request.partition(b"\r\n\r\n")
        (length,) = [int(x[16:]) for x in head.split(b"\r\n") if x.startswith(b"Content-Length: ")]
        while len(body) < length:
            body += connection.recv(100_000)
        other.sendall(head + b"\r\n\r\n" + body)
        connection.sendall(other.recv(100_000))
        connection.close()


def hang(connection):
    time.sleep(60)


def drip(connection):
    with contextlib.suppress(OSError):
        while True:
            connection.sendall(b"HTTP/1.1 204 No"[:1])
            time.sleep(0.05)


def talk_garbage(connection):
    with contextlib.suppress(OSError):
        connection.recv(1000)
        connection.sendall(bytes(range(256)) * 10)


@pytest.mark.parametrize(
    "behave", [hang, drip, talk_garbage, lambda connection: connection.close()]
)
def test_who_is_no_server_is_told_of_and_loses_nothing(listen, carry, said, monkeypatch, behave):
    monkeypatch.setattr(edgecat.sinks.webhook, "_STEP_S", 0.5)
    monkeypatch.setattr(edgecat.sinks.webhook, "_REQUEST_S", 1)
    queue = carry(f"http://127.0.0.1:{listen(behave)}/")
    put(queue, {"photo": "a.jpg"})
    wait_until(lambda: said)
    assert said[0].endswith("; answers wait in the queue")
    assert queue.count_waiting("post") == 1


def test_a_certificate_that_does_not_verify_is_sent_nothing(receive, carry, said, certificate):
    server = receive(certificate=certificate)
    queue = carry(server.url, token="0123456789abcdef")
    put(queue, {"photo": "a.jpg"})
    wait_until(lambda: said)
    assert "its certificate is not accepted (self" in said[0]
    assert server.requests == []


def test_ones_own_authority_is_given_by_the_environment(
    receive, carry, said, certificate, monkeypatch
):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    queue = carry(receive(certificate=certificate).url)
    put(queue, {"photo": "a.jpg"})
    wait_until(is_empty(queue))
    assert said == []


@pytest.mark.parametrize(
    "url", ["", "ftp://h/", "https://", "h/hook", "https://h/a b", "http://h#f"]
)
def test_what_is_no_address_is_refused(url):
    with pytest.raises(ConfigError, match=r"give https://HOST\[:PORT\] or http://HOST"):
        parse_address(url, option="--post", ports=PORTS, login="")


def test_killed_again_and_again_each_photo_is_posted_under_one_key(
    receive, make_bundle, colour_model, tmp_path
):
    server, folder = receive(), tmp_path / "in"
    folder.mkdir()
    for number in range(40):
        Image.new("RGB", (64, 48), (number, 0, 0)).save(folder / f"{number}.png")
    bundle = make_bundle(files={"model.onnx": colour_model})
    command = [
        sys.executable, "-m", "edgecat", "watch", bundle, folder,
        "--out", tmp_path / "results.jsonl", "--settle", "0", "--post", server.url,
    ]  # fmt: skip
    for _ in range(5):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        for _ in range(5):
            process.stdout.readline()
        process.kill()
        process.communicate()
    while _is_something_left([*command, "--once"]):
        pass
    keys = {headers["Idempotency-Key"]: json.loads(body) for _, headers, body in server.requests}
    photos = [body["photo"] for body in keys.values()]
    assert sorted(photos) == sorted(path.name for path in folder.iterdir())


def _is_something_left(command):
    """Run it; it waits for the server for some seconds at its end, which may be slow."""
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return "the next start sends" in done.stderr + done.stdout
