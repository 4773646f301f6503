"""Addresses and brokers as a user gives them: what is refused, and that no secret is repeated."""

import pytest

from edgecat.errors import ConfigError
from edgecat.sinks.address import parse_address
from edgecat.sinks.broker import check_topic, open_broker


def parse(text):
    return parse_address(
        text, option="--mqtt", ports={"mqtts": 8883, "mqtt": 1883}, login="give --mqtt-login"
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("mqtts://broker.local", "mqtts://broker.local:8883"),
        ("mqtt://10.0.0.1", "mqtt://10.0.0.1:1883"),
        ("MQTTS://Broker:1234", "mqtts://broker:1234"),
        ("mqtts://[::1]:99", "mqtts://[::1]:99"),
    ],
)
def test_an_address_is_read(text, told):
    assert str(parse(text)) == told


@pytest.mark.parametrize(
    "text",
    ["", "broker", "broker:1883", "http://broker", "mqtts://", "mqtts://:1883", "mqtts://b:0",
     "mqtts://b:99999", "mqtts://b:x", "mqtts://[::1", "mqtts://a b", "mqtts://b#f", "mqtts:b"],
)  # fmt: skip
def test_what_is_no_address_is_refused(text):
    with pytest.raises(ConfigError, match=r"give mqtts://HOST\[:PORT\] or mqtt://HOST"):
        parse(text)


@pytest.mark.parametrize("text", ["mqtts://me:secret@b", "mqtts://secret@b", "mqtts://:secret@b"])
def test_a_login_in_an_address_is_refused_and_not_repeated(text):
    with pytest.raises(ConfigError, match="give --mqtt-login") as caught:
        parse(text)
    assert "secret" not in str(caught.value)


def test_what_follows_the_host_is_not_repeated():
    address = parse_address(
        "https://h/hook/secret?key=secret", option="--post", ports={"https": 443}, login=""
    )
    assert (str(address), address.target) == ("https://h:443", "/hook/secret?key=secret")


@pytest.mark.parametrize("topic", ["edgecat/front-door", "집/현관", "a", "a b/c"])
def test_a_topic_is_taken(topic):
    check_topic(topic)


@pytest.mark.parametrize(
    "topic", ["", "/a", "a/", "a//b", "#", "a/+/b", "$SYS/a", "a\n", "x" * 201]
)
def test_a_topic_that_cannot_be_published_under_is_refused(topic):
    with pytest.raises(ConfigError, match="such as edgecat/front-door"):
        check_topic(topic)


@pytest.mark.parametrize(
    ("content", "mode", "words"),
    [
        (None, 0, "No such file"),
        ("me\nsecret\n", 0o644, "chmod 600"),
        ("me:secret\n", 0o600, "has 1 line;"),
        ("me\nsecret\nmore", 0o600, "has 3 lines"),
        ("\nsecret", 0o600, "two lines"),
        (f"me\n{'secret' * 1000}", 0o600, "of 2048 bytes"),
    ],
)
def test_a_login_file_that_is_none_is_refused(tmp_path, content, mode, words):
    path = tmp_path / "login"
    if content is not None:
        path.write_text(content)
        path.chmod(mode)
    with pytest.raises(ConfigError, match=words) as caught:
        open_broker("mqtts://b", None, path)
    assert "secret" not in str(caught.value)


def test_a_login_is_two_lines(tmp_path):
    path = tmp_path / "login"
    path.write_bytes("me\r\nse cret:\u2028\r\n".encode())
    path.chmod(0o600)
    login = open_broker("mqtts://b", None, path).login
    assert (login.user, login.password) == ("me", "se cret:\u2028")
    assert "cret" not in repr(login)


def test_certificates_are_verified_whatever_is_given(tmp_path):
    tls = open_broker("mqtts://b", None, None).tls
    assert (tls.check_hostname, tls.verify_mode.name) == (True, "CERT_REQUIRED")


@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_a_file_without_certificates_is_refused(tmp_path, content):
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError, match="--mqtt-ca"):
        open_broker("mqtts://b", path, None)


def test_options_that_would_not_be_used_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="give mqtts://b"):
        open_broker("mqtt://b", tmp_path / "ca.pem", None)
    with pytest.raises(ConfigError, match="--mqtt-topic"):
        open_broker("mqtt://b/topic", None, None)
