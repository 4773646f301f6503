"""Clients that send too much, too slowly, too often or no HTTP at all."""

import contextlib
import re
import time
from functools import partial

import pytest

from edgecat.photos.decode import MAX_BYTES
from edgecat.serve.limits import Limits
from tests.conftest import write_bundle
from tests.serve.conftest import TIMEOUT_S, begin_upload, draw, finish, running, wait_until

pytestmark = pytest.mark.slow  # waits for time-outs

HEAD = b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\n"
MIB = 2**20


@pytest.fixture(scope="module")
def strict(tmp_path_factory, colour_model):
    """A server with little patience."""
    limits = Limits(max_body_bytes=MIB, max_waiting=1, head_s=0.5, body_s=0.5, discard_s=1)
    bundle = write_bundle(tmp_path_factory.mktemp("strict"), files={"model.onnx": colour_model})
    with running(bundle, limits=limits) as server:
        yield server


def test_a_body_above_the_limit_is_refused_before_it_is_sent(strict):
    with strict.connect() as client:
        client.sendall(HEAD + b"Expect: 100-continue\r\nContent-Length: 9999999\r\n\r\n")
        status, _, answer = finish(client)
    assert (status, answer["error"]["code"]) == (413, "too_large")
    assert "1 MiB" in answer["error"]["message"]


def test_a_client_that_sends_all_of_a_large_body_reads_the_refusal_too(strict):
    status, _, answer = strict.predict(bytes(40 * MIB))
    assert (status, answer["error"]["code"]) == (413, "too_large")


def test_a_large_body_in_chunks_is_refused_as_well(strict):
    status, _, answer = strict.predict(bytes(MIB // 2) for _ in range(40))
    assert (status, answer["error"]["code"]) == (413, "too_large")


def test_a_refused_body_is_not_held_in_memory(colours):
    limits = Limits(max_body_bytes=MIB, discard_s=TIMEOUT_S)
    with running(colours, limits=limits) as patient:
        assert patient.predict(bytes(MIB) for _ in range(10))[0] == 413
        before = patient.metric("process_resident_memory_bytes")
        # What the test itself sends is one chunk, over and over.
        assert patient.predict(bytes(MIB) for _ in range(200))[0] == 413
        assert patient.metric("process_resident_memory_bytes") - before < 50 * MIB


def test_a_refused_body_without_end_is_cut_off(strict):
    with strict.connect() as client:
        client.sendall(HEAD + b"Content-Length: 99999999999\r\n\r\n")
        # 413 after discard_s at the latest, whether or not the client goes on.
        status, headers, _ = finish(client)
        assert (status, headers["connection"]) == (413, "close")
        assert client.recv(1) == b""


@pytest.mark.parametrize("num_bytes", [20_000, 200_000, 2_000_000])
def test_a_head_above_the_limit_is_refused(strict, num_bytes):
    with strict.connect() as client:
        with contextlib.suppress(ConnectionError):  # the server need not read all of it
            client.sendall(HEAD + b"X: " + b"x" * num_bytes + b"\r\n\r\n")
        status, _, answer = finish(client)
        assert (status, answer["error"]["code"]) == (431, "head_too_large")
        assert client.recv(1) == b""  # an orderly end: a reset can cost the client the response


def test_a_long_address_is_a_large_head(strict):
    status, _, answer = strict.ask("GET", "/" + "x" * 20_000)
    assert (status, answer["error"]["code"]) == (431, "head_too_large")


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS
        b"HELLO\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",  # no Host
        b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\n Host: localhost\r\n\r\n",
        HEAD + b"no colon\r\n\r\n",
        HEAD + b"Content-Length: many\r\n\r\n",
        HEAD + b"Content-Length: -5\r\n\r\n",
        HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n",
        HEAD + b"Transfer-Encoding: gzip\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nno size\r\n",
        b"\r\n" * 9_000,
    ],
)
def test_what_is_no_http_is_refused_in_our_own_words(strict, garbage):
    with strict.connect() as client:
        client.sendall(garbage)
        status, _, answer = finish(client)
        assert client.recv(1) == b""
    assert status in {400, 408, 431, 501}
    assert answer["error"]["code"] in {"bad_request", "too_slow", "head_too_large"}
    message = answer["error"]["message"]
    assert "send" in message
    # Of h11, and of the client's own bytes, which may be anything.
    assert not re.search(r"illegal|mandatory|multiple|conflicting|bad|bytearray|colon", message)
    assert strict.predict(draw("red"))[0] == 200


def test_a_body_that_breaks_off_in_a_bad_chunk_frees_its_place_at_once(colours):
    limits = Limits(max_waiting=1, body_s=TIMEOUT_S, discard_s=TIMEOUT_S)
    with running(colours, limits=limits) as served, contextlib.ExitStack() as stack:
        for _ in range(3):
            client = stack.enter_context(served.connect())
            client.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
            wait_until(lambda: served.metric("edgecat_bodies_bytes") == 5)
            client.sendall(b"no size\r\n")
            assert finish(client)[0] == 400
        assert served.metric("edgecat_bodies_bytes") == 0


@pytest.mark.parametrize(
    "head",
    [
        HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n",
        HEAD.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n",
    ],
)
def test_a_body_of_two_lengths_is_refused_and_ends_the_connection(strict, head):
    hidden = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with strict.connect() as client:
        client.sendall(head + b"0\r\n\r\n" + hidden)
        status, headers, answer = finish(client)
        assert (status, answer["error"]["code"]) == (400, "bad_request")
        assert "Transfer-Encoding beside" in answer["error"]["message"]
        assert headers["connection"] == "close"
        assert client.recv(1) == b""


@pytest.mark.parametrize("begun", [b"", b"POST /v1", HEAD])
def test_a_head_that_does_not_come_ends_the_connection(strict, begun):
    with strict.connect() as client:
        client.sendall(begun)
        if begun:
            status, _, answer = finish(client)
            assert (status, answer["error"]["code"]) == (408, "too_slow")
        assert client.recv(1) == b""


def test_a_head_that_drips_ends_the_connection(strict):
    with strict.connect() as client:
        client.settimeout(0.05)
        answer = b""
        with contextlib.suppress(ConnectionError):
            for byte in HEAD * 20:
                with contextlib.suppress(TimeoutError):
                    client.sendall(bytes([byte]))
                    answer += client.recv(4096)
                if answer:
                    break
    assert answer.startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize(
    "begun",
    [
        b"HELLO\r\n\r\n",
        HEAD + b"X: " + b"x" * 20_000,
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999\r\n\r\n",
    ],
    ids=["no HTTP", "a head above the limit", "a body that nobody asked for"],
)
def test_a_client_that_drips_on_behind_its_answer_does_not_hold_its_connection(colours, begun):
    limits = Limits(head_s=0.5, discard_s=0.5)
    with running(colours, limits=limits) as served, served.connect() as client:
        client.sendall(begun)
        assert finish(client)[0] in {200, 400, 431}
        assert ends(client)


def ends(client):
    """Drip on until the server has closed the connection; return whether it did."""
    deadline = time.monotonic() + TIMEOUT_S
    with contextlib.suppress(ConnectionError):
        while time.monotonic() < deadline:
            client.sendall(b"x")
            time.sleep(0.05)
        return False
    return True


def test_the_second_request_of_a_connection_has_the_same_time(strict):
    with strict.connect() as client:
        for _ in range(2):
            client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert finish(client)[0] == 200
        client.sendall(b"GET /heal")
        assert finish(client)[0] == 408


@pytest.mark.parametrize("num_bytes", [0, 50])
def test_a_body_that_does_not_come_is_refused_and_its_place_is_free_again(strict, num_bytes):
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(strict.connect()) for _ in range(2)]
        for client in clients:
            begin_upload(client, draw("red"), num_bytes)
        for client in clients:
            status, headers, answer = finish(client)
            assert (status, answer["error"]["code"]) == (408, "too_slow")
            assert headers["connection"] == "close"
    assert strict.predict(draw("red"))[0] == 200
    assert strict.metric("edgecat_queue_length") == 0


def has_counted(served, outcome, number):
    return served.count(outcome) == number


def test_a_client_that_leaves_half_way_frees_its_place(served):
    for number in range(Limits.max_waiting + 2):  # one more than there are places
        with served.connect() as client:
            begin_upload(client, draw("red"), 50)
        wait_until(partial(has_counted, served, "cut_off", number + 1))
    assert served.predict(draw("red"))[0] == 200


def test_a_full_line_answers_503_and_those_in_it_are_answered(colours):
    photo = draw("blue")
    with (
        running(colours, limits=Limits(max_waiting=1)) as served,
        contextlib.ExitStack() as stack,
    ):
        clients = [stack.enter_context(served.connect()) for _ in range(2)]
        for client in clients:
            begin_upload(client, photo, 50)
        wait_until(lambda: served.metric("edgecat_queue_length") == 1)
        status, headers, answer = served.predict(photo)
        assert (status, answer["error"]["code"]) == (503, "busy")
        assert headers["retry-after"] == "1"
        assert served.metric("edgecat_refused_total") == 1
        for client in clients:
            client.sendall(photo[50:])
            assert finish(client)[2]["answer"] == "blue"
        assert served.predict(photo)[0] == 200


@pytest.mark.parametrize(
    ("begun", "status", "code"),
    [
        (HEAD + b"Content-Length: 999\r\n\r\nx", 503, "stopping"),
        # Its refusal waits until the body is there.
        (b"POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nx", 404,
         "not_found"),
    ],
)  # fmt: skip
def test_a_body_that_does_not_come_does_not_hold_up_the_end(colours, caplog, begun, status, code):
    limits = Limits(body_s=TIMEOUT_S, discard_s=TIMEOUT_S, stop_s=0.5)
    with contextlib.ExitStack() as stack:
        with running(colours, limits=limits) as served:
            client = stack.enter_context(served.connect())
            client.sendall(begun)
            assert served.ask("GET", "/healthz")[0] == 200  # so that the upload has begun, too
        answer = finish(client)
    assert (answer[0], answer[2]["error"]["code"]) == (status, code)
    assert "Traceback" not in caplog.text
    assert (len(served.said) == 1) == (code == "stopping")


IDLE = b""
HALF_A_HEAD = HEAD
# Of a request that is refused, whose body is thrown away as it drips in.
REFUSED_BODY = b"POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999\r\n\r\n"
# Answered already, but the client still sends.
BEHIND_ITS_ANSWER = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999\r\n\r\n"
# Refused by the protocol itself, and not closed by the client.
NO_HTTP = b"HELLO\r\n\r\n"


@pytest.mark.parametrize("begun", [IDLE, HALF_A_HEAD, REFUSED_BODY, BEHIND_ITS_ANSWER, NO_HTTP])
def test_connections_that_do_nothing_lock_nobody_out(colours, begun):
    patient = Limits(head_s=TIMEOUT_S, discard_s=TIMEOUT_S, body_s=TIMEOUT_S)
    with running(colours, limits=patient) as served, contextlib.ExitStack() as stack:
        for _ in range(2 * patient.max_connections):
            stack.enter_context(served.connect()).sendall(begun)
        for _ in range(3):
            assert served.ask("GET", "/healthz")[0] == 200
            assert served.predict(draw("red"))[0] == 200


def test_the_connection_that_waits_longest_makes_room_for_a_new_one(colours):
    limits = Limits(max_waiting=1, max_spare_connections=1, head_s=TIMEOUT_S)
    with running(colours, limits=limits) as served, contextlib.ExitStack() as stack:
        first, second, third = [stack.enter_context(served.connect()) for _ in range(3)]
        first.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert finish(first)[0] == 200
        with served.connect():
            assert second.recv(1) == b""
            for client in (first, third):
                client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert finish(client)[0] == 200


def test_it_is_one_of_the_client_who_has_most(colours):
    limits = Limits(max_waiting=1, max_spare_connections=1, head_s=TIMEOUT_S)
    with running(colours, limits=limits) as served, contextlib.ExitStack() as stack:
        modest = stack.enter_context(served.connect("127.0.0.2"))
        for _ in range(5):
            stack.enter_context(served.connect("127.0.0.3"))
        modest.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert finish(modest)[0] == 200


@pytest.fixture
def slow_ones(colours):
    """A patient server whose line is full of the bodies of one client, which do not arrive."""
    limits = Limits(body_s=TIMEOUT_S, slow_s=0.5)
    with running(colours, limits=limits) as served, contextlib.ExitStack() as stack:
        clients = [
            stack.enter_context(served.connect("127.0.0.2")) for _ in range(limits.max_places)
        ]
        for client in clients:
            begin_upload(client, draw("red"), 50)
        wait_until(lambda: served.metric("edgecat_queue_length") == limits.max_waiting)
        yield served, clients


def test_slow_bodies_of_one_client_keep_no_other_out(slow_ones):
    served, clients = slow_ones
    assert served.ask("GET", "/healthz", client="127.0.0.2")[0] == 200
    assert served.predict(draw("blue"))[2]["answer"] == "blue"
    assert finish(clients[-1])[2]["error"]["code"] == "made_room"


def test_slow_bodies_keep_their_own_client_out_for_a_moment_only(slow_ones):
    served, clients = slow_ones
    wait_until(lambda: served.ask("POST", "/v1/predict", draw("blue"), {}, "127.0.0.2")[0] == 200)
    assert finish(clients[0])[2]["error"]["code"] == "made_room"


def test_a_connection_is_turned_away_where_all_others_have_a_photo_in_the_line(colours):
    limits = Limits(max_waiting=1, max_spare_connections=0, body_s=TIMEOUT_S)
    photo = draw("red")
    with running(colours, limits=limits) as served, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(served.connect()) for _ in range(2)]
        for client in clients:
            client.sendall(HEAD + b"Expect: 100-continue\r\n")
            client.sendall(b"Content-Length: %d\r\n\r\n" % len(photo))
            assert client.recv(1000).startswith(b"HTTP/1.1 100 ")  # it has its place
        with served.connect() as one_more:
            status, headers, answer = finish(one_more)
            assert (status, answer["error"]["code"]) == (503, "too_many_connections")
            assert headers["retry-after"] == "1"
        for client in clients:
            client.sendall(photo)
            assert finish(client)[0] == 200


def test_bodies_that_do_not_fit_into_the_memory_of_all_are_refused(colours):
    limits = Limits(max_body_bytes=MIB, max_bodies_bytes=2 * MIB, body_s=TIMEOUT_S)
    with running(colours, limits=limits) as served, contextlib.ExitStack() as stack:
        for _ in range(2):  # nothing of them is there yet, but they have been let in
            begin_upload(stack.enter_context(served.connect()), bytes(MIB), 50)
        wait_until(lambda: served.metric("edgecat_bodies_bytes") == 2 * MIB)
        for body in (draw("red"), iter([draw("red")])):
            status, headers, answer = served.predict(body)
            assert (status, answer["error"]["code"]) == (503, "no_room")
            assert headers["retry-after"] == "1"
            assert "may hold 2 MiB" in answer["error"]["message"]
    with running(colours, limits=limits) as served:
        assert served.predict(draw("red"))[0] == 200
        assert served.metric("edgecat_bodies_bytes") == 0


def test_a_body_larger_than_a_photo_may_be_is_told_that_limit(colours):
    limits = Limits(max_body_bytes=2 * MAX_BYTES)
    with running(colours, limits=limits) as served, served.connect() as client:
        client.sendall(HEAD + b"Expect: 100-continue\r\n")
        client.sendall(b"Content-Length: %d\r\n\r\n" % (MAX_BYTES + 1))
        status, _, answer = finish(client)
    assert (status, answer["error"]["code"]) == (413, "too_large")
    assert "128 MiB" in answer["error"]["message"]
    assert "--max-body-mb" not in answer["error"]["message"]
