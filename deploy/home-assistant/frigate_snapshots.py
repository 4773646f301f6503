"""Frigate's snapshots of cats, from its MQTT topics into a folder that `edgecat watch` reads.

/opt/edgecat/venv/bin/python frigate_snapshots.py --mqtt mqtts://homeassistant.local \
    --mqtt-login login --topic 'frigate/+/cat/snapshot' --out /srv/photos

Each message is a JPEG: docs.frigate.video/integrations/mqtt. The broker keeps for this subscriber
what comes while it is away (a session with QoS 1). What stands in the topics from before (retained)
is passed over: it is old. A full disk ends it; what found no room is not acknowledged, so the
broker owes it to the next start (MQTT 3.1.1, section 4.4).
"""

import datetime
import sys
from pathlib import Path
from typing import Any

import click
import paho.mqtt.client
import paho.mqtt.enums

from edgecat import atomic
from edgecat.cli.output import TerminalProgress
from edgecat.errors import EdgecatError
from edgecat.service.troubles import Troubles
from edgecat.sinks.broker import open_broker
from edgecat.sinks.home_assistant import to_id


def keep(message: Any, folder: Path) -> None:
    """Write a snapshot under a name of camera and time; it is whole as soon as it has that name.

    Raises:
        StorageError: The disk is full; nothing of it is left there.
    """
    if message.retain or not message.payload:
        return
    camera = to_id(message.topic.split("/")[-3:][0])  # or the first level of a short one
    time = datetime.datetime.now().strftime("%Y%m%d-%H%M%S-%f")
    path = folder / f"{camera}-{time}.jpg"
    atomic.write_file(path, lambda file: file.write(message.payload))


@click.command()
@click.option("--mqtt", required=True, metavar="mqtts://HOST[:PORT]")
@click.option("--mqtt-ca", type=click.Path(path_type=Path))
@click.option("--mqtt-login", type=click.Path(path_type=Path))
@click.option("--topic", default="frigate/+/cat/snapshot", show_default=True)
@click.option("--out", required=True, type=click.Path(path_type=Path, exists=True, file_okay=False))
def main(mqtt: str, mqtt_ca: Path | None, mqtt_login: Path | None, topic: str, out: Path) -> None:
    """Keep snapshots until it is stopped."""
    try:
        broker = open_broker(mqtt, mqtt_ca, mqtt_login)
    except EdgecatError as error:
        sys.exit(f"error: {error}")
    version = paho.mqtt.enums.CallbackAPIVersion.VERSION2
    client = paho.mqtt.client.Client(version, f"snapshots-{to_id(str(out.resolve()))}", False)
    if broker.tls is not None:
        client.tls_set_context(broker.tls)
    if broker.login is not None:
        client.username_pw_set(broker.login.user, broker.login.password)
    name, troubles = str(broker.address), Troubles(TerminalProgress())

    def greet(client: Any, data: Any, flags: Any, reason: Any, properties: Any) -> None:
        troubles.end(name)
        if reason.is_failure:
            mend = "--mqtt-login FILE has the login; tried until it is let in"
            troubles.begin(f"{name}, login", f"{name}: refuses the connection ({reason}); {mend}")
        else:
            troubles.end(f"{name}, login")
            client.subscribe(topic, qos=1)

    def bear(client: Any, data: Any) -> None:
        troubles.begin(name, f"{name}: cannot be reached ({sys.exception()}); tried until it can")

    client.on_connect, client.on_connect_fail = greet, bear
    client.on_message = lambda client, data, message: keep(message, out)
    client.connect_async(broker.address.host, broker.address.port)
    try:
        client.loop_forever(retry_first_connection=True)
    except EdgecatError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
