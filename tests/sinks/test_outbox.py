"""`stream` and `serve` tell sinks through a queue of their own."""

import io
import json
import subprocess
import sys
import urllib.request

import pytest
from PIL import Image

from edgecat.errors import ConfigError
from edgecat.sinks.outbox import Outbox
from edgecat.sinks.queue import NUM_RECENT
from edgecat.stream.news import News
from tests.sinks.conftest import wait_until
from tests.sinks.test_courier import Pocket
from tests.sinks.test_webhook import Receiver

pytestmark = pytest.mark.slow  # starts processes

PAGE_BYTES = 4096  # of SQLite


def test_what_was_told_is_brought_also_after_a_restart(tmp_path, said):
    away, sink = Pocket([OSError()] * 1000), Pocket()
    with Outbox(tmp_path / "outbox", [away], said) as outbox:
        outbox.tell({"answer": "red"})
    with Outbox(tmp_path / "outbox", [sink], said) as outbox:
        outbox.tell({"answer": "blue"})
        wait_until(lambda: len(sink.lines) == 2)
    assert [line["answer"] for line in sink.lines] == ["red", "blue"]


def test_two_services_must_not_share_an_outbox(tmp_path, said):
    with (
        Outbox(tmp_path / "outbox", [Pocket()], said),
        pytest.raises(ConfigError, match="give --outbox another file"),
    ):
        Outbox(tmp_path / "outbox", [Pocket()], said)


def test_a_file_of_somebody_elses_is_no_outbox(tmp_path, said):
    (tmp_path / "outbox").write_text("dear diary")
    with pytest.raises(ConfigError, match="give --outbox another file"):
        Outbox(tmp_path / "outbox", [Pocket()], said)
    assert (tmp_path / "outbox").read_text() == "dear diary"


def test_a_full_disk_is_told_once_and_stops_nothing(tmp_path, said, largest_file):
    sink = Pocket()
    with Outbox(tmp_path / "outbox", [sink], said) as outbox:
        with largest_file(10):
            outbox.tell({"answer": "red"})
            outbox.tell({"answer": "green"})
        outbox.tell({"answer": "blue"})
        wait_until(lambda: sink.lines)
    assert [line["answer"] for line in sink.lines] == ["blue"]
    told = [line for line in said if "outbox" in line]
    assert len(told) == 2
    assert "answers are not told to sinks until that is mended" in told[0]


def test_a_card_that_loses_a_page_is_told_once_and_stops_nothing(tmp_path, said):
    path = tmp_path / "outbox"
    sink = Pocket()
    with Outbox(path, [sink], said) as outbox:
        for number in range(NUM_RECENT):
            outbox.tell({"number": f"no. {number:03d}", "filler": 500 * "x"})
        wait_until(lambda: len(sink.lines) == NUM_RECENT)
    data = bytearray(path.read_bytes())
    page = data.index(b"no. 003") // PAGE_BYTES * PAGE_BYTES
    data[page : page + PAGE_BYTES] = bytes(PAGE_BYTES)
    path.write_bytes(data)
    with Outbox(path, [Pocket()], said) as outbox:
        outbox.tell({"answer": "red"})  # for which the oldest line has to go
        outbox.tell({"answer": "blue"})
    (line,) = [line for line in said if line.startswith(str(path))]
    assert "is damaged" in line and "give --outbox another file" in line


def test_only_another_answer_is_news():
    told = []
    news = News(lambda line: told.append(line) is None)
    for answer, is_known in [("a", True), ("a", True), ("a", False), ("b", True), ("a", True)]:
        news.hear({"answer": answer, "is_known": is_known})
        news.hear({"error": "broken"})
    assert [(line["answer"], line["is_known"]) for line in told] == [
        ("a", True),
        ("a", False),
        ("b", True),
        ("a", True),
    ]


def test_an_answer_that_found_no_room_on_the_disk_is_told_as_soon_as_there_is(
    tmp_path, said, largest_file
):
    away, sink = Pocket([OSError()] * 1000), Pocket()  # or what it took could not be noted either
    cat = {"answer": "cat", "is_known": True}
    with Outbox(tmp_path / "outbox", [away], said) as outbox:
        news = News(outbox.tell)
        news.hear({"answer": "unknown", "is_known": False})
        with largest_file(10):
            news.hear(cat)
            news.hear(cat)
        news.hear(cat)
        news.hear(cat)
    with Outbox(tmp_path / "outbox", [sink], said):
        wait_until(lambda: len(sink.lines) == 2)
    assert [line["answer"] for line in sink.lines] == ["unknown", "cat"]


@pytest.fixture
def receiver():
    with Receiver() as server:
        yield server
        server.shutdown()


@pytest.fixture
def bundle(make_bundle, colour_model):
    return make_bundle(files={"model.onnx": colour_model})


def jpeg(colour):
    file = io.BytesIO()
    Image.new("RGB", (64, 48), colour).save(file, "JPEG")
    return file.getvalue()


def run(*arguments, **options):
    command = [sys.executable, "-m", "edgecat", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, check=False, **options)


def test_a_stream_tells_each_change(bundle, receiver, tmp_path):
    frames = [jpeg(colour) for colour in ("red", "red", "blue", "blue", "red")]
    sinks = ["--post", receiver.url, "--outbox", tmp_path / "outbox"]
    (tmp_path / "clip.mjpeg").write_bytes(b"".join(frames))
    with open(tmp_path / "clip.mjpeg", "rb") as clip:
        done = run("stream", bundle, "--window", "1", *sinks, stdin=clip)
    assert done.returncode == 0, done.stderr
    wait_until(lambda: len(receiver.bodies) == 3)
    assert [body["answer"] for body in receiver.bodies] == ["red", "blue", "red"]
    assert [body["frame"] for body in receiver.bodies] == [1, 3, 5]
    assert len(done.stdout.splitlines()) == 5


def test_a_server_tells_each_answer(bundle, receiver, tmp_path):
    command = [
        sys.executable, "-m", "edgecat", "serve", bundle, "--port", "0",
        "--post", receiver.url, "--outbox", tmp_path / "outbox",
    ]  # fmt: skip
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            said = ""
            while "serving" not in said:
                said = process.stderr.readline()
            address = said.partition("http://")[2].partition("/")[0]
            request = urllib.request.Request(
                f"http://{address}/v1/predict", jpeg("blue"), {"Content-Type": "image/jpeg"}
            )
            with urllib.request.urlopen(request) as response:
                answer = json.load(response)
            wait_until(lambda: receiver.bodies)
        finally:
            process.terminate()
    (body,) = receiver.bodies
    assert answer["answer"] == "blue"
    assert answer.items() <= body.items()
    assert body["time"].endswith("+00:00")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--post", "http://localhost"], "--outbox: belongs to --mqtt or --post, and they to it"),
        (["--outbox", "outbox"], "--outbox: belongs to --mqtt or --post, and they to it"),
        (["--mqtt-topic", "a"], "--mqtt-topic: belongs to --mqtt ADDRESS, which is not given"),
        (["--post-token", "t"], "--post-token: belongs to --post ADDRESS, which is not given"),
    ],
)
@pytest.mark.parametrize("command", ["stream", "serve"])
def test_options_that_do_not_go_together_are_refused(bundle, command, options, words):
    done = run(command, bundle, *options, stdin=subprocess.DEVNULL, text=True)
    assert done.returncode == 2
    assert words in done.stderr
