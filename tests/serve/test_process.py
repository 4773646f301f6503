"""`edgecat serve` as a process: signals, new bundles, systemd, a missing extra."""

import contextlib
import http.client
import itertools
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.serve.conftest import TIMEOUT_S, Served, begin_upload, draw, finish, wait_until

pytestmark = pytest.mark.slow  # starts processes and stops them

MIB = 2**20

ENTRY = [sys.executable, "-c", "from edgecat.cli.main import main; main()", "serve"]


@contextlib.contextmanager
def process(*arguments, entry=ENTRY, **environment):
    """Run the command; yield the process and how to talk to it over IPv4."""
    with subprocess.Popen(
        [*entry, *map(str, arguments), "--port", "0"],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | environment,
    ) as running:
        try:
            line = running.stderr.readline()
            port = re.search(r"http://\S+:(\d+)/", line)
            assert port, line + running.stderr.read()
            yield running, Served(int(port[1]), line)
        finally:
            running.kill()


def stop(running, number=signal.SIGTERM):
    """Stop a process; return its exit code and what it said."""
    running.send_signal(number)
    _, said = running.communicate(timeout=TIMEOUT_S)
    return running.returncode, said


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_ends_the_server_in_good_order(colours, number, code):
    with process(colours) as (running, served):
        assert served.said.startswith("serving colours (onnxruntime-fp32) at http://127.0.0.1:")
        assert served.predict(draw("red"))[0] == 200
        with served.connect():  # an idle connection holds nobody up
            assert stop(running, number) == (code, "stopped\n")


def test_requests_under_way_are_answered_before_the_end(colours):
    photo = draw("green")
    with process(colours) as (running, served), contextlib.ExitStack() as stack:
        clients = [stack.enter_context(served.connect()) for _ in range(2)]
        for client in clients:
            begin_upload(client, photo, 50)
        wait_until(lambda: served.metric("edgecat_queue_length") == 1)
        running.send_signal(signal.SIGTERM)
        wait_until(lambda: is_closed(served))
        for client in clients:
            client.sendall(photo[50:])
            status, _, answer = finish(client)
            assert (status, answer["answer"]) == (200, "green")
        assert running.wait(TIMEOUT_S) == 0


def test_a_second_sigterm_ends_the_server_at_once(colours):
    with process(colours) as (running, served), served.connect() as client:
        begin_upload(client, draw("green"), 50)
        wait_until(lambda: served.metric("edgecat_bodies_bytes") > 0)
        running.send_signal(signal.SIGTERM)
        wait_until(lambda: is_closed(served))
        assert running.poll() is None  # the upload holds it up
        assert stop(running) == (-signal.SIGTERM, "")


def test_what_clients_do_wrong_says_nothing_on_the_terminal(colours):
    with process(colours) as (running, served):
        for body, kind in ((b"no form", "multipart/form-data; boundary=x"), (b"", "image/png")):
            assert served.predict(body, Content_Type=kind)[0] == 400
        for garbage in (b"HELLO\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"):
            with served.connect() as client:
                client.sendall(garbage)
                assert finish(client)[0] == 400
        upgrade = {"Connection": "Upgrade", "Upgrade": "websocket"}
        assert served.ask("GET", "/healthz", headers=upgrade)[0] == 200
        with served.connect() as client:
            begin_upload(client, draw("red"), 50)
        wait_until(lambda: served.count("cut_off") == 1)
        assert stop(running) == (0, "stopped\n")


def test_a_mistake_of_the_server_is_told_on_the_terminal(colours):
    broken = "from edgecat.runtime.classifier import Classifier; "
    broken += "Classifier.predict = lambda *_: 1 / 0; "
    entry = [sys.executable, "-c", broken + ENTRY[2], "serve"]
    with process(colours, entry=entry) as (running, served):
        status, _, answer = served.predict(draw("red"))
        assert (status, answer["error"]["code"]) == (500, "internal")
        code, said = stop(running)
    assert code == 0
    assert said.startswith("a mistake of edgecat, please report it:\nTraceback")
    assert "ZeroDivisionError" in said


def is_closed(served):
    with contextlib.suppress(ConnectionError), served.connect():
        return False
    return True


def lead(link, target):
    """Let a link lead to another bundle, in one step."""
    new = link.with_name("new")
    new.symlink_to(target)
    new.rename(link)


@pytest.fixture
def two_bundles(make_bundle, colour_model, tmp_path):
    """A link to a bundle called "first", and another bundle called "second"."""
    for name in ("first", "second"):
        make_bundle(files={"model.onnx": colour_model}, name=name)
    link = tmp_path / "live"
    link.symlink_to(tmp_path / "first")
    return link, tmp_path / "second"


def bundle_of(served):
    return served.ask("GET", "/healthz")[2]["bundle"]


def test_a_link_to_another_bundle_is_followed_without_a_signal(two_bundles):
    link, second = two_bundles
    with process(link) as (running, served):
        assert bundle_of(served) == "first"
        lead(link, second)
        wait_until(lambda: bundle_of(served) == "second")
        assert served.predict(draw("red"))[2]["bundle"] == "second"
        assert served.metric('edgecat_bundle_reloads_total{outcome="accepted"}') == 1
        assert "now serving second (onnxruntime-fp32)" in stop(running)[1]


def test_a_hangup_reloads(colours):
    with process(colours) as (running, served):
        running.send_signal(signal.SIGHUP)
        wait_until(lambda: served.metric('edgecat_bundle_reloads_total{outcome="accepted"}') == 1)
        assert stop(running) == (0, "now serving colours (onnxruntime-fp32)\nstopped\n")


def test_a_damaged_bundle_is_refused_and_the_old_one_serves_on(two_bundles):
    link, second = two_bundles
    (second / "model.onnx").write_bytes(b"damaged")
    with process(link) as (running, served):
        lead(link, second)
        wait_until(lambda: served.ask("GET", "/healthz")[2]["refused_reload"])
        health = served.ask("GET", "/healthz")[2]
        assert health["bundle"] == "first"
        assert health["refused_reload"] is True
        assert served.predict(draw("red"))[2]["bundle"] == "first"
        running.send_signal(signal.SIGHUP)  # asked again, it is refused again
        wait_until(lambda: served.metric('edgecat_bundle_reloads_total{outcome="refused"}') == 2)
        code, said = stop(running)
        assert code == 0
        assert said.count("new bundle refused, the old one serves on: ") == 2
        assert "model.onnx" in said


def test_a_bundle_that_goes_away_does_not_end_the_service(colours):
    with process(colours) as (running, served):
        shutil.rmtree(colours)
        wait_until(lambda: served.ask("GET", "/healthz")[2]["refused_reload"])
        assert served.predict(draw("red"))[2]["answer"] == "red"
        assert stop(running)[0] == 0


def test_systemd_hears_that_it_is_ready_alive_and_stopping(colours, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(TIMEOUT_S)
        systemd = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "200000"}
        with process(colours, **systemd) as (running, _):
            heard = [manager.recv(100) for _ in range(4)]
            assert heard == [b"READY=1", *[b"WATCHDOG=1"] * 3]
            assert stop(running)[0] == 0
            while manager.recv(100) != b"STOPPING=1":
                pass


@pytest.mark.parametrize(
    ("host", "name", "reached"),
    [
        ("127.0.0.1", "127.0.0.1", ["127.0.0.1"]),
        ("::1", "[::1]", ["::1"]),
        ("localhost", "localhost", ["127.0.0.1", "::1"]),
    ],
)
def test_the_address_that_is_said_is_the_one_that_answers(colours, host, name, reached):
    with process(colours, "--host", host) as (running, served):
        assert f" at http://{name}:{served.port}/, to this machine only" in served.said
        for address in ("127.0.0.1", "::1"):
            connection = http.client.HTTPConnection(address, served.port, timeout=TIMEOUT_S)
            with contextlib.closing(connection):
                if address in reached:
                    connection.request("GET", "/healthz")
                    assert connection.getresponse().status == 200
                else:
                    with pytest.raises(ConnectionRefusedError):
                        connection.connect()
        assert stop(running) == (0, "stopped\n")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nowhere"], 5, "nowhere: no such bundle"),
        (["cats12", "--host", "0.0.0.0"], 2, "--token-file FILE"),
        (["cats12", "--host", "localhorst"], 2, "not an IP address"),
        (["cats12", "--host", "192.0.2.1", "--token-file", "no"], 2, "--token-file no: No such"),
        (["cats12", "--queue", "0"], 2, "--queue"),
        (["cats12", "--max-body-mb", "257"], 2, "--max-body-mb"),
        (["cats12", "--port", "65536"], 2, "--port"),
        (["cats12", "--variant", "x"], 5, "no variant 'x'"),
    ],
)
def test_a_refusal_is_one_line_and_an_exit_code(arguments, code, words):
    done = subprocess.run(
        [*ENTRY, "--port", "0", *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == code
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_watchdog_time_that_does_not_read_is_refused_before_anybody_can_connect(colours):
    done = subprocess.run(
        [*ENTRY, str(colours), "--port", "0"], env=os.environ | {"WATCHDOG_USEC": "soon"},
        capture_output=True, text=True, check=False, timeout=TIMEOUT_S,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("error: WATCHDOG_USEC=soon: ")


@pytest.mark.parametrize(
    "library", ["uvicorn", "starlette", "python_multipart", "prometheus_client"]
)
def test_without_the_extra_the_command_says_what_to_install(library):
    script = f"import sys; sys.modules[{library!r}] = None; " + ENTRY[2]
    done = subprocess.run(
        [sys.executable, "-c", script, "serve", "cats12"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "pip install 'edgecat[serve]'" in done.stderr
    assert "Traceback" not in done.stderr


# In a process of its own: what other tests have left in the memory of this one moves about.
@pytest.mark.parametrize("is_form", [False, True])
def test_a_body_is_held_in_memory_once(colours, is_form):
    size = 100 * MIB
    # What the test itself sends is one piece, over and over.
    pieces = itertools.repeat(bytes(MIB), size // MIB)
    head = b'--x\r\nContent-Disposition: form-data; name="a"; filename="a"\r\n\r\n'
    body = itertools.chain([head], pieces, [b"\r\n--x--\r\n"]) if is_form else pieces
    kind = "multipart/form-data; boundary=x" if is_form else "image/bmp"
    with process(colours, "--max-body-mb", "200") as (running, served):
        before = peak_bytes(running.pid)
        assert served.predict(body, Content_Type=kind)[0] == 422
        assert 0.9 * size < peak_bytes(running.pid) - before < 1.5 * size  # 0.9: some was free


def peak_bytes(pid):
    """Return the most memory that a process has held."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) * 1024
