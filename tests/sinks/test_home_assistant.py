"""What Home Assistant is told: in its own format, whatever the classes and files are called."""

import json
import re

import pytest

from edgecat.sinks.home_assistant import Device, build_discovery, build_state
from edgecat.sinks.message import build_message, encode
from edgecat.sinks.queue import Entry

ODD = [
    'Neighbour\'s "cat"',
    "a/b",
    "#",
    "+",
    "$SYS",
    "고양이",
    "<script>alert(1)</script>",
    "{{ 1 }}",
]

# What its schema accepts beside the components; anything else makes it refuse the whole payload.
# Source: DEVICE_DISCOVERY_SCHEMA in homeassistant/components/mqtt/schemas.py
ROOT_KEYS = {
    "availability", "availability_mode", "availability_template", "availability_topic",
    "command_topic", "components", "device", "encoding", "origin", "payload_available",
    "payload_not_available", "qos", "state_topic",
}  # fmt: skip
DEVICE_KEYS = {
    "configuration_url", "connections", "hw_version", "identifiers", "manufacturer", "model",
    "name", "serial_number", "suggested_area", "sw_version", "via_device",
}  # fmt: skip
ID = re.compile("[a-zA-Z0-9_-]+")


def build_entry(**line):
    return Entry("queue-7", 7, json.dumps(line).encode(), is_newest=True)


def state_of(**line):
    return build_state(build_message(build_entry(**line)))


@pytest.mark.parametrize("topic", ["edgecat/pi-camera-3f2a", "집/현관", "a b", "x" * 200])
def test_the_discovery_is_what_home_assistant_accepts(topic):
    device = Device(topic, 'the "front" door')
    payload = json.loads(encode(build_discovery(device)))
    assert set(payload) <= ROOT_KEYS
    assert set(payload["device"]) <= DEVICE_KEYS
    assert payload["device"]["identifiers"] == [device.id]
    assert payload["origin"]["name"] == "edgecat"
    assert ID.fullmatch(device.id)
    assert re.fullmatch("homeassistant/device/[a-zA-Z0-9_-]+/config", device.discovery_topic)
    for component in payload["components"].values():
        assert component["p"] in ("sensor", "binary_sensor", "image")
        assert ID.fullmatch(component["unique_id"])
    assert len({c["unique_id"] for c in payload["components"].values()}) == 5


def test_two_services_are_two_devices_and_two_clients():
    topics = ["a/b", "a-b", "a_b", "a b"]
    assert len({Device(topic, "").id for topic in topics}) == len(topics)
    assert len({Device(topic, "").client_id for topic in topics}) == len(topics)


def test_every_broker_takes_the_clients_id():
    # MQTT 3.1.1, 3.1.3.1: 1 to 23 letters and digits
    assert re.fullmatch("[0-9a-zA-Z]{23}", Device("집/현관", "").client_id)


@pytest.mark.parametrize("label", ODD)
def test_odd_classes_and_names_stand_in_the_payload_as_they_are(label):
    state = json.loads(encode(state_of(answer=label, label=label, photo=label)))
    assert (state["answer"], state["label"], state["photo"]) == (label, label, label)


@pytest.mark.parametrize("label", ["None", "unknown", "unavailable"])
def test_a_class_that_bears_the_name_of_a_state_is_told_from_it(label):
    known = state_of(answer=label, label=label, is_known=True)
    stranger = state_of(answer="unknown", label=label, is_known=False)
    assert (known["answer"], known["is_known"]) == (f'"{label}"', True)
    assert (stranger["answer"], stranger["is_known"]) == ("unknown", False)


def test_without_a_threshold_every_answer_is_known():
    assert state_of(answer="red", is_known=None)["is_known"] is True


def test_a_state_is_no_longer_than_home_assistant_takes():
    assert len(state_of(answer="x" * 1000)["answer"]) == 255


def test_a_broken_photo_is_no_state():
    assert state_of(error="damaged") is None


def test_a_name_that_is_no_text_is_made_one():
    message = build_message(build_entry(photo="\udcff.jpg"))
    assert json.loads(encode(message))["photo"] == "?.jpg"


def test_a_message_has_its_id_and_number():
    message = build_message(build_entry(photo="a.jpg"))
    assert message == {"id": "queue-7", "number": 7, "photo": "a.jpg"}
