"""A real MQTT broker that can be killed, and a subscriber who wants to see each answer once.

The broker is amqtt. It keeps nothing on the disk: killed and started again, it has forgotten all,
subscriptions and retained messages too. That is the worst that a broker can do.
"""

import asyncio
import json
import socket
import subprocess
import sys
from typing import Any

import paho.mqtt.client
import paho.mqtt.enums


class BrokerProcess:
    """The broker, always at the same port of this machine.

    Attributes:
        port: Where it listens.
    """

    def __init__(self, certificate: str | None = None, passwords: str | None = None) -> None:
        """Prepare.

        Args:
            certificate: A file with its key and certificate, for TLS.
            passwords: A file with a line for each who may come in; None: everybody.
        """
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        config = {"port": self.port, "certificate": certificate, "passwords": passwords}
        self._command = [sys.executable, "-m", __name__, json.dumps(config)]
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Return when it listens."""
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self._process = subprocess.Popen(self._command, text=True, **pipes)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def kill(self) -> None:
        """Kill it, if it runs."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


class Subscriber:
    """Reads all topics, and comes back whenever the broker does.

    Attributes:
        photos: Those of the answers whose id was new, in the order in which they came.
        num_repeated: How many messages told of an answer that had come before.
        last: What came last under each topic.
    """

    def __init__(self, port: int) -> None:
        """Begin."""
        self.photos: list[str] = []
        self.num_repeated = 0
        self.last: dict[str, bytes] = {}
        self._ids: set[str] = set()
        version = paho.mqtt.enums.CallbackAPIVersion.VERSION2
        self._client = paho.mqtt.client.Client(version)
        self._client.reconnect_delay_set(0.1, 0.1)
        self._client.on_connect = lambda client, *_: client.subscribe("#", qos=1)
        self._client.on_message = lambda client, data, message: self._note(message)
        self._client.connect_async("127.0.0.1", port)
        self._client.loop_start()

    def publish(self, topic: str, payload: str) -> None:
        """Publish something."""
        self._client.publish(topic, payload, qos=1)

    def stop(self) -> None:
        """End."""
        self._client.disconnect()
        self._client.loop_stop()

    def _note(self, message: Any) -> None:
        self.last[message.topic] = message.payload
        if "/answers/" not in message.topic:
            return
        answer = json.loads(message.payload)
        if answer["id"] in self._ids:
            self.num_repeated += 1
        else:
            self._ids.add(answer["id"])
            self.photos.append(answer["photo"])


async def serve(port: int, certificate: str | None, passwords: str | None) -> None:
    """Be the broker until somebody kills it."""
    from amqtt.broker import Broker
    from amqtt.contexts import BrokerConfig

    listener: dict[str, Any] = {"type": "tcp", "bind": f"127.0.0.1:{port}"}
    if certificate:
        listener |= {"ssl": True, "certfile": certificate, "keyfile": certificate}
    anonymous = {"allow_anonymous": passwords is None}
    plugins: dict[str, Any] = {"amqtt.plugins.authentication.AnonymousAuthPlugin": anonymous}
    if passwords:
        plugins["amqtt.plugins.authentication.FileAuthPlugin"] = {"password_file": passwords}
    config = {"listeners": {"default": listener}, "plugins": plugins}
    await Broker(BrokerConfig.from_dict(config)).start()
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(**json.loads(sys.argv[1])))
