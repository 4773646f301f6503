"""What the tests of sinks share: queues, a real broker that can be killed, a subscriber."""

import contextlib
import datetime
import json
import socket
import threading
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from benchmarks.reliability.mqtt_broker import BrokerProcess, Subscriber
from edgecat.service.database import Database, Purpose
from edgecat.sinks.queue import Queue

# So long a test waits for something that must come.
WAIT_S = 60

ANY = Purpose("", *["..."] * 6)


class Said(list):
    say = list.append


@pytest.fixture
def said():
    return Said()


def wait_until(is_true):
    end_s = time.monotonic() + WAIT_S
    while not is_true():
        assert time.monotonic() < end_s, "it did not come"
        time.sleep(0.02)


@pytest.fixture
def open_queue(tmp_path):
    """A function that opens the queue of this test for some sinks, once more if it is called so."""
    with contextlib.ExitStack() as stack:

        def open_one(*sinks):
            stack.close()
            path = tmp_path / "queue.sqlite"
            return Queue(stack.enter_context(contextlib.closing(Database(path, ANY))), sinks)

        yield open_one


def put(queue, *values):
    for value in values:
        with queue._database.transaction():
            queue.put(json.dumps(value).encode() + b"\n")


@pytest.fixture
def start_broker():
    """A function that starts a broker; what still runs at the end is killed."""
    with contextlib.ExitStack() as stack:

        def start(**config):
            broker = BrokerProcess(**config)
            stack.callback(broker.kill)
            broker.start()
            return broker

        yield start


@pytest.fixture
def subscribe():
    """A function that makes a subscriber to a broker."""
    with contextlib.ExitStack() as stack:

        def start(broker):
            subscriber = Subscriber(broker.port)
            stack.callback(subscriber.stop)
            return subscriber

        yield start


@pytest.fixture
def listen():
    """A function that lets somebody else than a broker listen; returns the port."""
    with contextlib.ExitStack() as stack:

        def start(behave):
            server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

            def accept():
                with contextlib.suppress(OSError):
                    while True:
                        connection, _ = server.accept()
                        threading.Thread(target=behave, args=(connection,), daemon=True).start()

            threading.Thread(target=accept, daemon=True).start()
            return server.getsockname()[1]

        yield start


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """A file with a key and a certificate for "localhost" that it signed itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    plain = serialization.NoEncryption()
    path.write_bytes(signed.public_bytes(pem) + key.private_bytes(pem, form, plain))
    return path
