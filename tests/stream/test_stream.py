"""`edgecat stream` as a whole: frames in, lines out, in this process and as a real one."""

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from PIL import Image

from edgecat.cli.main import BROKEN_PIPE
from edgecat.errors import ImageError
from edgecat.keep.kept import list_kept, load_answer
from edgecat.service.live import LiveClassifier
from edgecat.service.process import Service
from edgecat.stream.loop import stream
from edgecat.stream.mailbox import Mailbox

pytestmark = pytest.mark.slow  # starts processes

ENTRY = [sys.executable, "-c", "from edgecat.cli.main import main; main()"]

# Of three classes, none is far before the others.
MOST_OF_GREY = 0.5

# So long a test waits for something that must come.
WAIT_S = 30


class Said(list):
    say = list.append


def frame(colour, size=(64, 48)):
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "JPEG")
    return file.getvalue()


RED, GREEN, BLUE = frame("red"), frame("lime"), frame("blue")
# Its segments fit together, but there is no picture in it.
EMPTY = b"\xff\xd8\xff\xfe\x00\x04no\xff\xd9"


@pytest.fixture
def bundle(make_bundle, colour_model):
    """A bundle that answers which of red, green and blue a picture has most of."""
    return make_bundle(files={"model.onnx": colour_model})


@pytest.fixture
def said():
    return Said()


@pytest.fixture
def run(bundle, said):
    """A function that answers a recording and returns its lines."""

    def answer_all(data, **options):
        lines = []
        with Service(said) as service:
            stream(
                LiveClassifier(bundle), Mailbox(io.BytesIO(data).read, said, drop=False), service,
                on_line=lines.append, **options,
            )  # fmt: skip
        return lines

    return answer_all


def test_every_frame_of_a_recording_is_answered_in_turn(run):
    lines = run(RED + GREEN + BLUE, window=1)
    assert [(line["frame"], line["answer"]) for line in lines] == [
        (1, "red"), (2, "green"), (3, "blue"),
    ]  # fmt: skip
    assert [line["num_dropped"] for line in lines] == [0, 0, 0]


def test_probabilities_are_averaged_over_the_window(run):
    lines = run(3 * RED + 2 * GREEN, window=3)
    assert [line["num_frames"] for line in lines] == [1, 2, 3, 3, 3]
    assert [line["answer"] for line in lines] == ["red", "red", "red", "red", "green"]
    # Of two red frames and a green one each gives its class all but nothing of 1.
    assert lines[3]["probability"] == pytest.approx(2 / 3, abs=1e-3)
    assert {guess["label"]: round(guess["probability"], 3) for guess in lines[4]["top"]} == {
        "green": 0.667, "red": 0.333, "blue": 0.0,
    }  # fmt: skip


def test_a_broken_frame_is_reported_and_counts_in_no_window(run):
    lines = run(RED + EMPTY + RED)
    assert [line["frame"] for line in lines] == [1, 2, 3]
    assert "answer" not in lines[1]
    assert lines[1]["error"]
    assert lines[2]["num_frames"] == 2


def test_a_camera_that_leaves_out_the_end_marker_is_answered(run, said):
    frames = [picture.removesuffix(b"\xff\xd9") for picture in (RED, GREEN, BLUE)]
    torn = frames[0][:-20]
    lines = run(torn + b"".join(frames), window=1)
    assert [line.get("answer") for line in lines] == [None, "red", "green", "blue"]
    assert "truncated" in lines[0]["error"]
    assert said == []


def test_each_kind_of_rubbish_is_told_of_once(run, said):
    lines = run(RED + (b"--part\r\n" + RED) * 3 + RED[:-9])
    assert len(lines) == 4
    assert len(said) == 2
    assert said[0].startswith("after 1 frame: skipped bytes that belong to no frame")
    assert said[1].startswith("after 4 frames: skipped the last frame, which is cut off")


@pytest.mark.parametrize("data", [b"", b"no frames here", RED[:-20], RED[2:]])
def test_a_stream_without_a_frame_is_an_error(run, data):
    with pytest.raises(ImageError, match="no JPEG frame in it; accepted is MJPEG"):
        run(data)


def test_a_stream_that_cannot_be_read_is_an_error(bundle, said):
    def fail(_):
        raise OSError(5, "Input/output error")

    with pytest.raises(ImageError, match="Input/output error"), Service(said) as service:
        stream(LiveClassifier(bundle), Mailbox(fail, said), service, on_line=print)


def test_the_newest_frame_wins_and_the_others_are_counted(bundle, said):
    """The consumer takes its time over the first line; all frames have come meanwhile."""
    pieces = iter([RED, *[GREEN] * 20, BLUE])
    is_read, is_answered = threading.Event(), threading.Event()
    lines = []

    def read(_):
        piece = next(pieces, b"")
        if piece is not RED:
            assert is_answered.wait(WAIT_S)  # so that the first frame is not dropped
        if not piece:
            is_read.set()
        return piece

    def answer_slowly(line):
        lines.append(line)
        is_answered.set()
        assert is_read.wait(WAIT_S)

    with Service(said) as service:
        mailbox = Mailbox(read, said)
        stream(LiveClassifier(bundle), mailbox, service, window=1, on_line=answer_slowly)
    assert [(line["frame"], line["answer"]) for line in lines] == [(1, "red"), (22, "blue")]
    assert lines[-1]["num_dropped"] == 20


def test_a_new_bundle_answers_with_its_own_labels_and_an_empty_window(
    bundle, said, make_bundle, colour_model
):
    second = make_bundle(("rouge", "vert", "bleu"), {"model.onnx": colour_model}, name="second")
    lines = []

    def read(_):
        if lines and bundle.with_name("second").exists():
            bundle.rename(bundle.with_name("old"))
            second.rename(bundle)
        time.sleep(0.01)
        return b"" if lines and lines[-1].get("answer") == "rouge" else RED

    with Service(said) as service:
        stream(LiveClassifier(bundle), Mailbox(read, said), service, on_line=lines.append)
    assert {line["answer"] for line in lines} == {"red", "rouge"}
    first = next(line for line in lines if line["answer"] == "rouge")
    assert first["num_frames"] == 1


# Real processes


@pytest.fixture
def start(bundle):
    """A function that starts `edgecat stream` with a pipe into it."""
    with contextlib.ExitStack() as stack:

        def start_one(*options, stdin=subprocess.PIPE):
            process = stack.enter_context(
                subprocess.Popen(
                    [*ENTRY, "stream", bundle, *options],
                    stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
                )
            )  # fmt: skip
            stack.callback(process.kill)
            return process

        yield start_one


def test_a_line_comes_out_for_a_frame_that_has_just_come_in(start):
    process = start()
    for number, colour in enumerate((RED, GREEN), start=1):
        process.stdin.write(colour[:100])
        process.stdin.write(colour[100:])
        line = json.loads(process.stdout.readline())
        assert line["frame"] == number
        assert line["is_known"] is None
        assert line["delay_ms"] > 0
        assert line["time"].endswith("+00:00")
    process.stdin.close()
    assert process.wait(WAIT_S) == 0
    assert process.stderr.read() == b""


def test_frames_worth_a_look_are_kept_as_they_came_with_the_answer_to_them_alone(start, tmp_path):
    """The model is sure of red, and can say nothing of grey; a window of both would be sure."""
    clip, kept, grey = tmp_path / "clip.mjpeg", tmp_path / "kept", frame("grey")
    clip.write_bytes(3 * RED + 20 * grey + 3 * RED)
    with clip.open("rb") as stdin:
        _, err = start("--keep", str(kept), "--keep-mb", "1", stdin=stdin).communicate(
            timeout=WAIT_S
        )
    assert b"nothing leaves this machine" in err
    (photo,) = list_kept(kept)
    assert photo.path.read_bytes() == grey
    answer = load_answer(photo)
    assert (answer.why, answer.bundle) == ("unsure", "bundle")
    assert answer.top[0].probability < MOST_OF_GREY


def test_a_file_is_answered_to_its_last_frame(start, tmp_path):
    (tmp_path / "clip.mjpeg").write_bytes((RED + GREEN + BLUE) * 20 + RED[:-5])
    with (tmp_path / "clip.mjpeg").open("rb") as clip:
        out, err = start("--window", "1", stdin=clip).communicate(timeout=WAIT_S)
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["answer"] for line in lines] == ["red", "green", "blue"] * 20
    assert b"the last frame, which is cut off" in err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_ends_it_in_order(start, number, code):
    process = start()
    process.stdin.write(RED)
    process.stdout.readline()
    process.send_signal(number)
    assert process.wait(WAIT_S) == code
    assert process.stderr.read() == b"stopped\n"


def test_a_reader_that_leaves_ends_it_with_a_code_that_says_so(start):
    process = start()
    process.stdin.write(RED)
    process.stdout.readline()
    process.stdout.close()
    with pytest.raises(BrokenPipeError):
        while True:
            process.stdin.write(RED)
            time.sleep(0.01)
    assert process.wait(WAIT_S) == BROKEN_PIPE
    assert process.stderr.read() == b""


def test_a_stream_of_rubbish_is_refused_in_one_line(start):
    process = start()
    out, err = process.communicate(b"rubbish" * 100_000, timeout=WAIT_S)
    assert (process.returncode, out) == (4, b"")
    assert err.decode().splitlines()[-1].startswith("error: standard input: no JPEG frame in it")
    assert b"Traceback" not in err


def test_a_terminal_is_no_stream_of_frames(start):
    ours, theirs = os.openpty()
    process = start(stdin=theirs)
    assert process.wait(WAIT_S) == 2
    assert b"rpicam-vid" in process.stderr.read()
    os.close(ours)
    os.close(theirs)
