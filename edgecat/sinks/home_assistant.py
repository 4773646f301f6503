"""How Home Assistant gets to know a service: topics, discovery, and the state that it shows.

Labels and file names stand in payloads only, never in a topic or an id.

Source: home-assistant.io/integrations/mqtt (device discovery, since Home Assistant 2024.11), and
its pages on MQTT sensors, binary sensors and images.
"""

import dataclasses
import hashlib
import re
from typing import Any

import edgecat

#: Home Assistant says "online" here when it has started.
BIRTH_TOPIC, BIRTH = "homeassistant/status", b"online"

ONLINE, OFFLINE = b"online", b"offline"

# homeassistant.const: a state is 255 characters long at most.
_MAX_STATE_CHARACTERS = 255

# What has a meaning of its own as a state: "None" as an MQTT payload, the others for all entities.
_RESERVED = ("None", "unknown", "unavailable")

# Of discovery topics and ids: home-assistant.io/integrations/mqtt/#discovery-topic
_NOT_IN_IDS = re.compile("[^a-zA-Z0-9_-]+")


@dataclasses.dataclass(frozen=True)
class Device:
    """A service as Home Assistant shows it.

    Attributes:
        topic: Under which it publishes; no other service may have it.
        name: For people.
        has_photos: Whether the photo of the newest answer is shown.
    """

    topic: str
    name: str
    has_photos: bool = True

    @property
    def id(self) -> str:
        """Return what tells it from all others, of letters, digits, "_" and "-"."""
        return f"{to_id(self.topic)}-{_digest(self.topic)[:8]}"

    @property
    def client_id(self) -> str:
        """Return its name towards the broker: 23 letters and digits, which each must take."""
        # Source: MQTT 3.1.1, 3.1.3.1
        return f"edgecat{_digest(self.topic)[:16]}"

    @property
    def status_topic(self) -> str:
        """Return where it says whether it is there: retained; the broker's last will otherwise."""
        return f"{self.topic}/status"

    @property
    def state_topic(self) -> str:
        """Return where the newest answer stands: retained."""
        return f"{self.topic}/state"

    @property
    def photo_topic(self) -> str:
        """Return where the photo of that stands, a small JPEG: retained."""
        return f"{self.topic}/photo"

    @property
    def discovery_topic(self) -> str:
        """Return where Home Assistant looks for devices."""
        return f"homeassistant/device/{self.id}/config"


def to_id(text: str) -> str:
    """Return letters, digits, "_" and "-" of a text, at most 40; not unique."""
    return _NOT_IN_IDS.sub("-", text).strip("-")[:40] or "edgecat"


def build_discovery(device: Device) -> dict[str, Any]:
    """Return what Home Assistant makes its entities of."""
    entities: dict[str, dict[str, Any]] = {
        "answer": {
            "p": "sensor",
            "name": "Answer",
            "icon": "mdi:paw",
            "value_template": "{{ value_json.answer }}",
            "json_attributes_topic": device.state_topic,
        },
        "known": {
            "p": "binary_sensor",
            "name": "Known",
            "value_template": "{{ 'ON' if value_json.is_known else 'OFF' }}",
        },
        "confidence": {
            "p": "sensor",
            "name": "Confidence",
            "icon": "mdi:percent",
            "unit_of_measurement": "%",
            "state_class": "measurement",
            "suggested_display_precision": 1,
            "value_template": "{{ 100 * value_json.probability }}",
        },
        "time": {
            "p": "sensor",
            "name": "Time",
            "device_class": "timestamp",
            "value_template": "{{ value_json.time }}",
        },
    }
    if device.has_photos:
        entities["photo"] = {
            "p": "image",
            "name": "Photo",
            "image_topic": device.photo_topic,
            "content_type": "image/jpeg",
        }
    return {
        "device": {
            "identifiers": [device.id],
            "name": device.name,
            "manufacturer": "edgecat",
            "sw_version": edgecat.__version__,
        },
        "origin": {"name": "edgecat", "sw_version": edgecat.__version__},
        "availability_topic": device.status_topic,
        "state_topic": device.state_topic,
        "qos": 1,
        "components": {
            key: entity | {"unique_id": f"{device.id}-{key}"} for key, entity in entities.items()
        },
    }


def build_state(message: dict[str, Any]) -> dict[str, Any] | None:
    """Return what Home Assistant shows of a message; None if that tells of a broken photo."""
    if "answer" not in message:
        return None
    is_known = message.get("is_known") is not False
    answer = str(message["answer"])
    if is_known and answer in _RESERVED:
        answer = f'"{answer}"'  # a class may bear such a name
    return {
        "answer": answer[:_MAX_STATE_CHARACTERS],
        "is_known": is_known,
        **{key: message.get(key) for key in ("probability", "label", "photo", "time", "bundle")},
        **{key: message[key] for key in ("id", "number")},
    }


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
