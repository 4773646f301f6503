"""The MQTT sink at a real broker, and at whatever else may listen there."""

import contextlib
import io
import json
import socket
import time

import pytest
from PIL import Image

import edgecat.sinks.courier
import edgecat.sinks.mqtt
from edgecat.sinks.broker import open_broker
from edgecat.sinks.courier import Couriers
from edgecat.sinks.home_assistant import Device
from edgecat.sinks.mqtt import MqttSink
from edgecat.sinks.queue import NUM_RECENT
from tests.sinks.conftest import put, wait_until
from tests.sinks.test_home_assistant import ODD

pytestmark = pytest.mark.slow  # starts brokers and waits for them

DEVICE = Device("test/door", "the door")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(edgecat.sinks.courier, "_FIRST_WAIT_S", 0.1)
    monkeypatch.setattr(edgecat.sinks.courier, "_LONGEST_WAIT_S", 0.5)


def picture(colour="red", size=(1200, 900)):
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "JPEG")
    return file.getvalue()


@pytest.fixture
def carry(open_queue, said):
    """A function that lets a courier bring a queue's lines to a port; returns the queue."""
    with contextlib.ExitStack() as stack:

        def start(port, *, url=None, ca=None, login=None, photo=None):
            broker = open_broker(url or f"mqtt://127.0.0.1:{port}", ca, login)
            queue = open_queue("mqtt")
            sink = MqttSink(broker, DEVICE, lambda line: photo)
            couriers = stack.enter_context(Couriers(queue, [sink], said, patience_s=0))
            return queue, couriers

        yield start


def answer(photo, label="red", **more):
    line = {"photo": photo, "answer": label, "label": label, "probability": 0.9, "is_known": True}
    return line | {"time": "2026-11-28T10:00:00.000+00:00"} | more


def last(subscriber, topic):
    return json.loads(subscriber.last[topic])


def test_the_newest_answer_and_its_photo_and_the_device_are_told(start_broker, subscribe, carry):
    broker = start_broker()
    subscriber = subscribe(broker)
    queue, couriers = carry(broker.port, photo=picture())
    put(queue, answer("a.jpg"), answer("b.jpg", "blue"), {"photo": "c.jpg", "error": "damaged"})
    couriers.wake()
    wait_until(lambda: len(subscriber.photos) == 3 and DEVICE.state_topic in subscriber.last)
    assert subscriber.photos == ["a.jpg", "b.jpg", "c.jpg"]
    wait_until(lambda: last(subscriber, DEVICE.state_topic)["photo"] == "b.jpg")
    state = last(subscriber, DEVICE.state_topic)
    assert (state["answer"], state["is_known"], state["number"]) == ("blue", True, 2)
    assert last(subscriber, DEVICE.discovery_topic)["device"]["name"] == "the door"
    assert subscriber.last[DEVICE.status_topic] == b"online"
    with Image.open(io.BytesIO(subscriber.last[DEVICE.photo_topic])) as image:
        assert (image.format, image.size) == ("JPEG", (400, 300))


def test_who_comes_later_finds_it_all(start_broker, subscribe, carry):
    broker = start_broker()
    queue, _ = carry(broker.port)
    put(queue, answer("a.jpg"), answer("b.jpg"))
    wait_until(lambda: queue.count_waiting("mqtt") == 0)
    subscriber = subscribe(broker)
    wait_until(lambda: sorted(subscriber.photos) == ["a.jpg", "b.jpg"])
    wait_until(lambda: subscriber.last.keys() >= {DEVICE.state_topic, DEVICE.discovery_topic})


@pytest.mark.parametrize("label", ODD)
def test_odd_classes_change_no_topic(start_broker, subscribe, carry, label):
    broker = start_broker()
    subscriber = subscribe(broker)
    queue, _ = carry(broker.port)
    put(queue, answer(f"{label}.jpg", label))
    wait_until(lambda: DEVICE.state_topic in subscriber.last)
    assert last(subscriber, DEVICE.state_topic)["answer"] == label
    assert subscriber.last.keys() == {
        DEVICE.state_topic,
        DEVICE.photo_topic,
        DEVICE.status_topic,
        DEVICE.discovery_topic,
        "test/door/answers/1",
    }


def test_a_photo_that_is_gone_leaves_no_other_ones_in_its_place(start_broker, subscribe, carry):
    broker = start_broker()
    subscriber = subscribe(broker)
    queue, _ = carry(broker.port, photo=None)
    put(queue, answer("a.jpg"))
    wait_until(lambda: DEVICE.state_topic in subscriber.last)
    assert subscriber.last[DEVICE.photo_topic] == b""


def test_home_assistant_is_told_again_when_it_starts(start_broker, subscribe, carry):
    broker = start_broker()
    subscriber = subscribe(broker)
    carry(broker.port)
    wait_until(lambda: DEVICE.discovery_topic in subscriber.last)
    subscriber.last.clear()
    subscriber.publish("homeassistant/status", "online")
    wait_until(lambda: subscriber.last.keys() >= {DEVICE.discovery_topic, DEVICE.status_topic})


def test_a_last_will_that_comes_too_late_is_put_right(start_broker, subscribe, carry):
    broker = start_broker()
    subscriber = subscribe(broker)
    carry(broker.port)
    wait_until(lambda: subscriber.last.get(DEVICE.status_topic) == b"online")
    subscriber.last.clear()
    subscriber.publish(DEVICE.status_topic, "offline")
    wait_until(lambda: subscriber.last.get(DEVICE.status_topic) == b"online")


def test_a_broker_that_was_killed_learns_again_what_it_forgot(start_broker, subscribe, carry, said):
    broker = start_broker()
    queue, couriers = carry(broker.port)
    put(queue, *(answer(f"{number}.jpg") for number in range(NUM_RECENT + 20)))
    couriers.wake()
    wait_until(lambda: queue.count_waiting("mqtt") == 0)
    broker.kill()
    put(queue, answer("meanwhile.jpg"))
    couriers.wake()
    wait_until(lambda: said)
    broker.start()
    subscriber = subscribe(broker)
    wait_until(lambda: "meanwhile.jpg" in subscriber.photos)
    wait_until(lambda: len(subscriber.photos) >= NUM_RECENT)
    assert {f"{number}.jpg" for number in range(21, NUM_RECENT + 20)} <= set(subscriber.photos)
    assert subscriber.last[DEVICE.status_topic] == b"online"
    wait_until(lambda: said[-1] == f"mqtt://127.0.0.1:{broker.port}: well again")


# Who else may listen


def refuse(connection):
    connection.close()


def hang(connection):
    connection.recv(1000)
    time.sleep(60)


def talk_garbage(connection):
    connection.recv(1000)
    connection.sendall(bytes(range(256)) * 100)
    time.sleep(60)


def talk_html(connection):
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n<html>")
    time.sleep(60)


def accept_and_fall_silent(connection):
    connection.recv(1000)
    connection.sendall(b"\x20\x02\x00\x00")
    time.sleep(60)


def accept_and_talk_garbage(connection):
    connection.recv(1000)
    connection.sendall(b"\x20\x02\x00\x00" + b"\x30\xff\xff\xff\x7f" + b"\xff" * 10_000)
    connection.close()


@pytest.mark.parametrize(
    ("behave", "words"),
    [
        (refuse, "the connection broke"),
        (hang, "does not answer as an MQTT broker does"),
        (talk_garbage, ""),
        (talk_html, ""),
        (accept_and_fall_silent, "acknowledges nothing"),
        (accept_and_talk_garbage, ""),
    ],
)
def test_who_is_no_broker_is_told_of_and_loses_nothing(
    listen, carry, said, monkeypatch, behave, words
):
    monkeypatch.setattr(edgecat.sinks.mqtt, "_ANSWER_S", 0.5)
    port = listen(behave)
    queue, _ = carry(port)
    put(queue, answer("a.jpg"))
    wait_until(lambda: said)
    assert said[0].startswith(f"mqtt://127.0.0.1:{port}: {words}")
    assert said[0].endswith("; answers wait in the queue")
    time.sleep(0.5)
    assert queue.count_waiting("mqtt") == 1


def test_where_nobody_listens_is_told(carry, said):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        carry(free.getsockname()[1])
        wait_until(lambda: said)
    assert "cannot be reached ([Errno 111] Connection refused)" in said[0]


def test_a_name_that_nobody_has_is_told(carry, said):
    carry(0, url="mqtt://nobody.invalid")
    wait_until(lambda: said)
    assert said[0].startswith("mqtt://nobody.invalid:1883: cannot be reached (")


# Secrets


def test_over_tls_a_broker_is_verified_and_told_everything(start_broker, carry, certificate):
    broker = start_broker(certificate=str(certificate))
    queue, _ = carry(0, url=f"mqtts://localhost:{broker.port}", ca=certificate)
    put(queue, answer("a.jpg"))
    wait_until(lambda: queue.count_waiting("mqtt") == 0)


@pytest.mark.parametrize(
    ("host", "is_trusted", "words"),
    [
        ("localhost", False, "self-signed certificate"),
        ("127.0.0.1", True, "IP address mismatch"),
    ],
)
def test_a_certificate_that_does_not_verify_is_told_of_and_sent_nothing(
    start_broker, carry, said, certificate, host, is_trusted, words
):
    broker = start_broker(certificate=str(certificate))
    url = f"mqtts://{host}:{broker.port}"
    queue, _ = carry(0, url=url, ca=certificate if is_trusted else None)
    put(queue, answer("a.jpg"))
    wait_until(lambda: said)
    assert f"its certificate is not accepted ({words}" in said[0].replace(
        "self signed", "self-signed"
    )
    assert "give --mqtt-ca FILE" in said[0]
    time.sleep(0.5)
    assert queue.count_waiting("mqtt") == 1


def test_a_broker_without_tls_is_not_taken_for_one_with_it(start_broker, carry, said):
    broker = start_broker()
    queue, _ = carry(0, url=f"mqtts://localhost:{broker.port}")
    put(queue, answer("a.jpg"))
    wait_until(lambda: said)
    assert "cannot be reached (" in said[0]
    assert queue.count_waiting("mqtt") == 1


@pytest.fixture
def write_login(tmp_path):
    def write(user, password):
        path = tmp_path / "login"
        path.write_text(f"{user}\n{password}\n")
        path.chmod(0o600)
        return path

    return write


@pytest.fixture
def passwords(tmp_path):
    """The broker's file: "me" has the password "secret"."""
    from pwdlib import PasswordHash

    path = tmp_path / "passwords"
    path.write_text(f"me:{PasswordHash.recommended().hash('secret')}\n")
    return path


def test_the_login_is_sent(start_broker, carry, write_login, passwords):
    broker = start_broker(passwords=str(passwords))
    queue, _ = carry(broker.port, login=write_login("me", "secret"))
    put(queue, answer("a.jpg"))
    wait_until(lambda: queue.count_waiting("mqtt") == 0)


@pytest.mark.parametrize("login", [("me", "wrong"), None])
def test_a_login_that_the_broker_does_not_take_is_told_with_the_mend(
    start_broker, carry, said, write_login, passwords, login
):
    broker = start_broker(passwords=str(passwords))
    queue, _ = carry(broker.port, login=login and write_login(*login))
    put(queue, answer("a.jpg"))
    wait_until(lambda: said)
    assert "refuses the connection (" in said[0]
    assert "--mqtt-login FILE has the login" in said[0]
    assert "wrong" not in said[0]
    assert queue.count_waiting("mqtt") == 1
