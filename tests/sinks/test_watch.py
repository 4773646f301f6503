"""`edgecat watch --mqtt` as a process, at a real broker."""

import io
import json
import os
import signal
import subprocess
import sys
import time

import pytest
from PIL import Image

from tests.sinks.conftest import WAIT_S, wait_until

pytestmark = pytest.mark.slow  # starts processes and kills them

STATUS, STATE, PHOTO = "flap/status", "flap/state", "flap/photo"


@pytest.fixture
def start(make_bundle, colour_model, tmp_path):
    """A function that starts to watch `tmp_path/in`."""
    bundle = make_bundle(files={"model.onnx": colour_model})
    (tmp_path / "in").mkdir()
    running = []

    def start_one(*options, **environment):
        command = [
            sys.executable, "-m", "edgecat", "watch", bundle, tmp_path / "in",
            "--out", tmp_path / "results.jsonl", "--settle", "0", *map(str, options),
        ]  # fmt: skip
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        running.append(subprocess.Popen(command, env=os.environ | environment, **pipes))
        return running[-1]

    yield start_one
    for process in running:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_home_assistant_learns_of_each_photo_and_of_the_end(
    start, start_broker, subscribe, tmp_path, number
):
    broker = start_broker()
    subscriber = subscribe(broker)
    process = start("--mqtt", f"mqtt://127.0.0.1:{broker.port}", "--mqtt-topic", "flap")
    Image.new("RGB", (640, 480), "red").save(tmp_path / "in/<b>#+.png")
    wait_until(lambda: subscriber.photos == ["<b>#+.png"] and STATE in subscriber.last)
    assert json.loads(subscriber.last[STATE])["answer"] == "red"
    assert subscriber.last[STATUS] == b"online"
    with Image.open(io.BytesIO(subscriber.last[PHOTO])) as image:
        assert image.size == (400, 300)
        red, green, blue = image.resize((1, 1)).getpixel((0, 0))
    assert red > 200 > 50 > max(green, blue)
    process.send_signal(number)
    wait_until(lambda: subscriber.last[STATUS] == b"offline")


def test_results_are_written_whatever_listens_there(start, listen, tmp_path):
    port = listen(lambda connection: connection.recv(1000) and time.sleep(60))
    for number in range(5):
        Image.new("RGB", (64, 48), (number, 0, 255)).save(tmp_path / f"in/{number}.png")
    process = start("--mqtt", f"mqtt://127.0.0.1:{port}")
    out = tmp_path / "results.jsonl"
    wait_until(lambda: out.exists() and len(out.read_text().splitlines()) == 5)
    process.terminate()
    said = process.communicate(timeout=WAIT_S)[1]
    assert process.returncode == 0
    assert "5 answers left in the queue, which the next start sends" in said


def test_a_password_that_goes_unencrypted_is_told(start, tmp_path):
    (tmp_path / "login").write_text("me\nsecret\n")
    (tmp_path / "login").chmod(0o600)
    process = start("--once", "--mqtt", "mqtt://127.0.0.1:1", "--mqtt-login", tmp_path / "login")
    said = process.communicate(timeout=WAIT_S)[1]
    assert "the password is sent without encryption; mqtts:// has it" in said
    assert "secret" not in said


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--mqtt", "mqtts://me:secret@b"], "put it into a file and give --mqtt-login FILE"),
        (["--mqtt", "broker"], "give mqtts://HOST[:PORT]"),
        (["--mqtt", "mqtt://b", "--mqtt-topic", "a/#"], "such as edgecat/front-door"),
        (["--mqtt-login", "login"], "--mqtt-login: belongs to --mqtt ADDRESS"),
        (["--post", "https://u:secret@h/"], "give --post-token FILE"),
        (["--post", "https://h/", "--post-token", "nowhere"], "--post-token nowhere: No such file"),
    ],
)
def test_what_cannot_be_told_is_refused_before_anything_is_written(start, tmp_path, options, words):
    process = start(*options)
    said = process.communicate(timeout=WAIT_S)[1]
    assert process.returncode == 2
    assert words in said
    assert "secret" not in said
    assert not (tmp_path / "results.jsonl").exists()


def test_without_the_extra_it_is_said_how_to_get_it(start, tmp_path):
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden/paho.py").write_text("raise ModuleNotFoundError(name='paho')")
    path = f"{tmp_path / 'hidden'}{os.pathsep}{os.environ.get('PYTHONPATH', '.')}"
    process = start("--mqtt", "mqtt://b", PYTHONPATH=path)
    assert "pip install 'edgecat[mqtt]'" in process.communicate(timeout=WAIT_S)[1]
    assert process.returncode == 2
