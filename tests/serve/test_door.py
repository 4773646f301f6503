"""Who is let in: names of the server, tokens, token files."""

import contextlib
import errno
import http.client
import socket

import pytest

from edgecat.errors import ConfigError
from edgecat.serve.server import Address, check_token, listen
from tests.conftest import write_bundle
from tests.serve.conftest import TIMEOUT_S, draw, running

TOKEN = "0123456789abcdef"


@pytest.fixture(scope="module")
def token_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("secret") / "token"
    path.write_text(TOKEN + "\n")
    path.chmod(0o600)
    return path


@pytest.fixture(scope="module")
def guarded(tmp_path_factory, colour_model, token_file):
    """A server that asks for the token; bound to loopback, as nothing else may be in a test."""
    files = {"model.onnx": colour_model}
    bundle = write_bundle(tmp_path_factory.mktemp("guarded"), files=files)
    with running(bundle, Address(port=0, token_file=token_file)) as server:
        yield server


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:8000", "LOCALHOST", "[::1]", "[::1]:80"])
def test_a_loopback_server_answers_to_the_names_of_loopback(served, host):
    assert served.ask("GET", "/healthz", headers={"Host": host})[0] == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example:8000", "127.0.0.1.evil.example", "", ":80"]
)
def test_a_name_that_was_led_to_loopback_is_refused(served, host):
    for path in ("/", "/healthz", "/metrics", "/v1/predict", "/nowhere"):
        status, _, answer = served.ask("GET", path, headers={"Host": host})
        assert (status, answer["error"]["code"]) == (400, "wrong_host")
        assert "localhost" in answer["error"]["message"]


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1"])
def test_a_page_of_another_site_asks_nothing_of_a_server_without_a_token(served, origin):
    status, _, answer = served.predict(draw("red"), Origin=origin)
    assert (status, answer["error"]["code"]) == (403, "wrong_origin")
    assert served.ask("GET", "/healthz", headers={"Origin": origin})[0] == 200


def test_its_own_page_asks(served):
    origin = f"http://127.0.0.1:{served.port}"
    assert served.predict(draw("red"), Origin=origin)[2]["answer"] == "red"


def test_who_knows_the_token_may_stand_behind_a_proxy_that_calls_the_server_otherwise(guarded):
    headers = {"Authorization": f"Bearer {TOKEN}", "Origin": "https://cats.example"}
    assert guarded.predict(draw("red"), **headers)[0] == 200


def test_the_right_token_opens(guarded):
    for scheme in ("Bearer", "bearer"):
        status, _, answer = guarded.predict(draw("red"), Authorization=f"{scheme} {TOKEN}")
        assert (status, answer["answer"]) == (200, "red")
    assert guarded.ask("GET", "/metrics", headers={"Authorization": f"Bearer {TOKEN}"})[0] == 200


@pytest.mark.parametrize(
    "given",
    [None, "", "Bearer", "Bearer ", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}",
     TOKEN, f"Bearer {TOKEN.upper()}", "Bearer é" + TOKEN],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/v1/predict", "/v1/model", "/metrics", "/nowhere"])
def test_any_other_token_is_refused(guarded, given, path):
    headers = {} if given is None else {"Authorization": given.encode("latin-1")}
    status, answered, answer = guarded.ask("POST", path, draw("red"), headers)
    assert (status, answer["error"]["code"]) == (401, "unauthorized")
    assert answered["www-authenticate"] == "Bearer"
    assert "Authorization: Bearer" in answer["error"]["message"]


@pytest.mark.parametrize("path", ["/", "/healthz", "/openapi.json"])
def test_the_page_health_and_the_description_need_no_token(guarded, path):
    assert guarded.ask("GET", path)[0] == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "::ffff:127.0.0.1"])
def test_an_address_that_others_can_reach_needs_a_token(host):
    with pytest.raises(ConfigError, match="--token-file FILE"):
        check_token(Address(host))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "localhost", "::1"])
def test_a_loopback_address_needs_none(host):
    assert check_token(Address(host)) is None


def test_a_server_may_be_called_by_the_loopback_address_that_it_listens_to(colours):
    with running(colours, Address("127.0.0.2", port=0)) as served:
        connection = http.client.HTTPConnection("127.0.0.2", served.port, timeout=TIMEOUT_S)
        with contextlib.closing(connection):
            connection.request("GET", "/healthz")
            assert connection.getresponse().status == 200


@pytest.mark.parametrize("host", ["::1", "localhost"])
def test_a_server_at_the_other_loopback_address_keeps_the_same_rules(colours, host):
    with running(colours, Address(host, port=0)) as served:
        for name, status in (("[::1]", 200), ("localhost:80", 200), ("evil.example", 400)):
            connection = http.client.HTTPConnection("::1", served.port, timeout=TIMEOUT_S)
            with contextlib.closing(connection):
                connection.request("GET", "/healthz", headers={"Host": name})
                assert connection.getresponse().status == status


def test_an_address_with_a_token_is_accepted(token_file):
    assert check_token(Address("0.0.0.0", token_file=token_file)) == TOKEN


@pytest.mark.parametrize("host", ["raspberrypi", "", "300.1.1.1", "127.0.0.1:8000"])
def test_a_host_that_is_no_address_is_refused(host):
    with pytest.raises(ConfigError, match="not an IP address"):
        listen(Address(host))


@pytest.fixture
def listen_at():
    """A function that returns listening sockets, which are closed after the test."""
    with contextlib.ExitStack() as stack:

        def listen_there(*address):
            return [stack.enter_context(listener) for listener in listen(Address(*address))]

        yield listen_there


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_a_port_that_is_taken_is_refused(listen_at, host):
    port = listen_at(host, 0)[-1].getsockname()[1]
    with pytest.raises(ConfigError, match=rf"--port {port}: .*in use; choose another"):
        listen_at(host, port)


def test_localhost_is_both_loopback_addresses_at_one_port(listen_at):
    names = [listener.getsockname()[:2] for listener in listen_at("localhost", 0)]
    assert [host for host, _ in names] == ["127.0.0.1", "::1"]
    assert len({port for _, port in names}) == 1


def test_localhost_is_one_address_on_a_machine_without_ipv6(listen_at, monkeypatch):
    create = socket.create_server

    def create_without_ipv6(address, *, family, backlog):
        if family == socket.AF_INET6:
            raise OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")
        return create(address, family=family, backlog=backlog)

    monkeypatch.setattr(socket, "create_server", create_without_ipv6)
    (listener,) = listen_at("localhost", 0)
    assert listener.getsockname()[0] == "127.0.0.1"
    with pytest.raises(ConfigError, match="Cannot assign requested address"):
        listen_at("::1", 0)


def test_answers_are_not_held_back_for_the_clients_confirmation(listen_at):
    (listener,) = listen_at("127.0.0.1", 0)
    with socket.create_connection(listener.getsockname()):
        connection = listener.accept()[0]
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
