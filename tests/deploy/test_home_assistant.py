"""deploy/home-assistant: the automation decides as it says, Frigate's snapshots become files."""

import contextlib
import datetime
import runpy
import subprocess
import sys
from pathlib import Path

import jinja2
import paho.mqtt.client
import paho.mqtt.publish
import pytest
import yaml

from benchmarks.reliability.mqtt_broker import BrokerProcess
from tests.sinks.conftest import wait_until

FOLDER = Path(__file__).parents[2] / "deploy/home-assistant"
NOW = datetime.datetime(2026, 11, 28, 12, tzinfo=datetime.UTC)


def decide(answer):
    """Return whether the automation acts on an answer, by the templates of its conditions."""
    automation = yaml.safe_load((FOLDER / "cat-flap.yaml").read_text())
    environment = jinja2.Environment()
    environment.globals |= {"now": lambda: NOW, "as_datetime": datetime.datetime.fromisoformat}
    trigger = {"payload_json": answer}
    rendered = [
        environment.from_string(condition["value_template"]).render(trigger=trigger)
        for condition in automation["conditions"]
    ]
    return rendered == ["True"] * len(rendered)


@pytest.mark.parametrize(
    ("answer", "is_known", "age_s", "acts"),
    [
        ("unknown", False, 1, True),
        ("REX", True, 1, True),
        ("TOMMY", True, 1, False),
        ("TOMMY", None, 1, False),
        ("unknown", False, 3600, False),
    ],
)
def test_the_flap_is_locked_for_strangers_that_are_there_now(answer, is_known, age_s, acts):
    time = (NOW - datetime.timedelta(seconds=age_s)).isoformat(timespec="milliseconds")
    assert decide({"answer": answer, "is_known": is_known, "time": time}) == acts


def test_a_broken_photo_locks_nothing():
    assert not decide({"error": "damaged", "time": NOW.isoformat()})


# A snapshot has a name that begins with a dot while it is written.
WHOLE = "[!.]*.jpg"


@pytest.fixture
def broker():
    started = BrokerProcess()
    started.start()
    yield started
    started.kill()


def build_command(broker, out):
    return [
        sys.executable, str(FOLDER / "frigate_snapshots.py"),
        "--mqtt", f"mqtt://127.0.0.1:{broker.port}", "--out", str(out),
    ]  # fmt: skip


@pytest.mark.slow
def test_snapshots_become_files_and_old_ones_do_not(broker, tmp_path):
    address = {"hostname": "127.0.0.1", "port": broker.port}
    paho.mqtt.publish.single("frigate/yard/cat/snapshot", b"old", retain=True, **address)
    with contextlib.ExitStack() as stack:
        process = stack.enter_context(subprocess.Popen(build_command(broker, tmp_path)))
        stack.callback(process.kill)

        def publish_until_it_is_there():
            paho.mqtt.publish.single("frigate/a b/cat/snapshot", b"new", 1, **address)
            return list(tmp_path.glob(WHOLE))

        wait_until(publish_until_it_is_there)
        for path in tmp_path.glob(WHOLE):
            assert path.name.startswith("a-b-")
            assert path.read_bytes() == b"new"


@pytest.mark.slow
def test_a_full_disk_ends_it_with_an_error_and_leaves_nothing_half_written(broker, small_disk):
    address = {"hostname": "127.0.0.1", "port": broker.port}
    ballast, photo = small_disk / "ballast", bytes(64 * 1024)
    ballast.write_bytes(bytes(200 * 1024))
    with contextlib.ExitStack() as stack:
        process = stack.enter_context(
            subprocess.Popen(build_command(broker, small_disk), stderr=subprocess.PIPE, text=True)
        )
        stack.callback(process.kill)

        def publish_until_it_ends():
            paho.mqtt.publish.single("frigate/a/cat/snapshot", photo, 1, **address)
            return process.poll() is not None

        wait_until(publish_until_it_ends)
        told = process.stderr.read()
    assert told.startswith("error: ") and "No space left on device" in told
    assert [path.name for path in small_disk.iterdir()] == ["ballast"]


@pytest.mark.slow
def test_a_broker_that_is_away_is_told_with_its_coming_back_and_one_that_refuses(tmp_path):
    (tmp_path / "passwords").touch()  # nobody may come in
    broker = BrokerProcess(passwords=str(tmp_path / "passwords"))
    with contextlib.ExitStack() as stack:
        process = stack.enter_context(
            subprocess.Popen(build_command(broker, tmp_path), stderr=subprocess.PIPE, text=True)
        )
        stack.callback(process.kill)
        away = process.stderr.readline()
        assert "cannot be reached (" in away and "tried until it can" in away
        broker.start()
        stack.callback(broker.kill)
        assert process.stderr.readline().endswith("well again\n")
        refused = process.stderr.readline()
        assert "refuses the connection (" in refused and "--mqtt-login FILE" in refused


def test_a_topic_of_few_levels_keeps_its_snapshots_too(tmp_path):
    keep = runpy.run_path(str(FOLDER / "frigate_snapshots.py"))["keep"]
    message = paho.mqtt.client.MQTTMessage(topic=b"flap/cat")
    message.payload = b"a photo"
    keep(message, tmp_path)
    assert [path.read_bytes() for path in tmp_path.glob("flap-*.jpg")] == [b"a photo"]
