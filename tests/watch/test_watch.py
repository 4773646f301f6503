"""`edgecat watch` as a whole: in this process, and as real processes that are killed."""

import contextlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter

import pytest
from PIL import Image

import edgecat.watch.arrivals
from edgecat.cli.main import BROKEN_PIPE
from edgecat.errors import ConfigError, StorageError
from edgecat.keep.kept import list_kept, load_answer
from edgecat.keep.place import KeepPlace
from edgecat.photos.decode import MAX_BYTES
from edgecat.service.live import LiveClassifier
from edgecat.service.process import Service
from edgecat.watch.loop import WatchJob, watch

pytestmark = pytest.mark.slow  # starts processes and kills them

ENTRY = [sys.executable, "-c", "from edgecat.cli.main import main; main()"]

# So long a test waits for something that must come.
WAIT_S = 30


@pytest.fixture
def bundle(make_bundle, colour_model):
    """A bundle that answers which of red, green and blue a picture has most of."""
    return make_bundle(files={"model.onnx": colour_model})


def draw(path, colour, seed=0):
    """Write a picture of one colour that no other seed makes."""
    image = Image.new("RGB", (64, 48), colour)
    image.putpixel((0, 0), (seed % 256, seed // 256, 0))
    image.save(path, "PNG")
    return path


def read(out):
    return [json.loads(line) for line in out.read_text().splitlines()]


def answers(out):
    return [(line["photo"], line.get("answer", "error")) for line in read(out)]


# In this process


@pytest.fixture
def run(bundle, folder, out, said, monkeypatch):
    """A function that watches until so many lines are written, or `once`."""
    monkeypatch.setattr(edgecat.watch.arrivals, "_SCAN_EVERY_S", 0.2)

    def run_until(num_lines=None, **options):
        lines = []

        def stop_at_last(photo, result):
            lines.append(photo)
            if len(lines) == num_lines:
                os.kill(os.getpid(), signal.SIGTERM)

        job = WatchJob(
            **{"folder": folder, "out": out, "settle_s": 0.1, "patience_s": 0.5} | options,
            once=num_lines is None,
        )
        with Service(said) as service:
            return watch(LiveClassifier(bundle), job, service, said, on_line=stop_at_last)

    return run_until


def test_each_photo_is_answered_once_over_several_runs(run, folder, out):
    draw(folder / "a.png", "red")
    assert run().num_answered == 1
    draw(folder / "b.png", "lime")
    assert run().num_answered == 1
    assert run().num_answered == 0
    assert answers(out) == [("a.png", "red"), ("b.png", "green")]


def test_a_line_says_by_what_and_when_it_was_answered(run, folder, out):
    draw(folder / "a.png", "red")
    run()
    (line,) = read(out)
    assert (line["bundle"], line["variant"]) == ("bundle", "onnxruntime-fp32")
    assert line["time"].endswith("+00:00")
    assert line["label"] == line["top"][0]["label"] == "red"


def test_photos_worth_a_look_are_kept_with_their_names_and_answers(run, folder, tmp_path):
    place = KeepPlace(tmp_path / "kept", 2**20)
    draw(folder / "sure.png", (250, 20, 20))
    (folder / "front").mkdir()
    unsure = draw(folder / "front" / "unsure.png", (100, 100, 100)).read_bytes()
    (folder / "broken.png").write_bytes(b"no photo")
    assert run(keep=place).num_answered == 2
    (photo,) = list_kept(place.folder)
    assert photo.path.read_bytes() == unsure
    answer = load_answer(photo)
    assert (answer.why, answer.name, answer.bundle) == ("unsure", "front/unsure.png", "bundle")
    assert [guess.label for guess in answer.top[:1]] == [answer.answer]


def test_a_keep_folder_that_fails_stops_no_answer(run, folder, out, tmp_path, said):
    (tmp_path / "kept").write_text("a file stands in the way")
    for number in range(3):
        draw(folder / f"{number}.png", (100, 100, 100), number)
    run(keep=KeepPlace(tmp_path / "kept", 2**20))
    assert len(answers(out)) == 3
    (told,) = [line for line in said if "not kept" in line]
    assert "cannot be written (File exists); give --keep a folder that can be" in told


def test_while_a_video_is_read_the_service_is_attended(run, folder, out, monkeypatch):
    num_attended, attend = Counter(), Service.attend

    def count(service, classifier):
        num_attended["while reading"] += 1
        attend(service, classifier)

    monkeypatch.setattr(Service, "attend", count)
    with (folder / "clip.mp4").open("wb") as file:
        file.truncate(MAX_BYTES + 200 * 2**20)
    assert run().num_broken == 1
    assert num_attended["while reading"] > 200  # without it, systemd would take it for hung
    assert "larger than" in read(out)[0]["error"]


def test_a_folder_that_cannot_be_read_is_counted_once(run, folder, said):
    draw(folder / "a.png", "red")
    name = "d" * 200
    with contextlib.ExitStack() as stack:
        inner = None
        for part in [folder, *[name] * 21]:  # the last one's path is longer than the system takes
            if inner is not None:
                os.mkdir(part, dir_fd=inner)
            inner = os.open(part, os.O_RDONLY, dir_fd=inner)
            stack.callback(os.close, inner)
        outcome = run()
    assert (outcome.num_answered, outcome.num_unreadable) == (1, 1)
    assert len([line for line in said if "File name too long" in line]) == 1


@pytest.mark.parametrize("name", ["kept", ".", "a/b"])
def test_a_keep_folder_in_the_watched_one_is_refused(run, folder, name):
    with pytest.raises(ConfigError, match="would be answered again"):
        run(keep=KeepPlace(folder / name, 2**20))


@pytest.mark.parametrize("inotify", [True, False])
def test_a_replaced_photo_is_new_and_a_renamed_one_is_not(run, folder, out, inotify):
    draw(folder / "a.png", "red")

    def change():
        while not out.exists() or len(read(out)) < 1:
            time.sleep(0.02)
        draw(folder / ".new", "lime")
        (folder / ".new").rename(folder / "a.png")
        while len(read(out)) < 2:
            time.sleep(0.02)
        (folder / "a.png").rename(folder / "b.png")
        draw(folder / "z.png", "blue")

    thread = threading.Thread(target=change)
    thread.start()
    run(3, inotify=inotify)
    thread.join()
    assert answers(out) == [("a.png", "red"), ("a.png", "green"), ("z.png", "blue")]
    assert run().num_answered == 0


def stamp_as_by_a_camera_without_a_clock(path):
    os.utime(path, (0, 0))
    return path


@pytest.mark.parametrize("inotify", [True, False])
@pytest.mark.parametrize("name", ["a.bmp", "b.bmp"])
def test_a_photo_of_the_same_size_and_time_in_the_place_of_an_answered_one_is_answered(
    run, folder, out, inotify, name
):
    """Same size, as of all BMP; same time; and written into the same inode."""

    def change():
        while not out.exists() or len(read(out)) < 1:
            time.sleep(0.02)
        inode = (folder / "a.bmp").stat().st_ino
        (folder / "a.bmp").rename(folder / ".upload")
        Image.new("RGB", (64, 48), "blue").save(folder / ".upload", "BMP")
        stamp_as_by_a_camera_without_a_clock(folder / ".upload").rename(folder / name)
        assert (folder / name).stat().st_ino == inode

    Image.new("RGB", (64, 48), "red").save(folder / "a.bmp")
    stamp_as_by_a_camera_without_a_clock(folder / "a.bmp")
    thread = threading.Thread(target=change)
    thread.start()
    run(2, inotify=inotify)
    thread.join()
    assert answers(out) == [("a.bmp", "red"), (name, "blue")]
    assert run().num_answered == 0


def test_photos_deleted_long_ago_leave_the_record(run, folder, out, monkeypatch):
    for name in ("stays.png", "goes.png"):
        draw(folder / name, "red", seed=len(name))
    run()
    (folder / "goes.png").rename(folder.parent / "goes.png")
    monkeypatch.setattr("edgecat.watch.sweep._EVERY_S", 0)
    for _ in range(40):
        run()
    (folder.parent / "goes.png").rename(folder / "goes.png")
    assert run().num_answered == 1
    assert Counter(photo for photo, _ in answers(out)) == {"stays.png": 1, "goes.png": 2}


@pytest.mark.parametrize("inotify", [True, False])
def test_a_slowly_written_photo_is_answered_once_it_is_whole(run, folder, out, inotify, tmp_path):
    Image.effect_noise((300, 300), 80).convert("RGB").save(tmp_path / "noise.png")
    data = (tmp_path / "noise.png").read_bytes()

    def write_slowly():
        with (folder / "slow.png").open("wb") as file:
            for start in range(0, len(data), len(data) // 8 + 1):
                file.write(data[start : start + len(data) // 8 + 1])
                file.flush()
                time.sleep(0.2)  # longer than `settle_s`: each part counts as whole

    thread = threading.Thread(target=write_slowly)
    thread.start()
    run(1, inotify=inotify)
    thread.join()
    assert [line["size_bytes"] for line in read(out)] == [len(data)]
    assert "error" not in read(out)[0]


@pytest.mark.parametrize("content", [b"", b"no photo", b"\x89PNG\r\n\x1a\n"])
def test_a_broken_file_gets_one_line_with_its_error_after_its_time(run, folder, out, content):
    (folder / "a.png").write_bytes(content)
    assert (run().num_broken, run().num_broken) == (1, 0)
    (line,) = read(out)
    assert line["error"]
    assert "answer" not in line


def test_it_says_once_that_it_waits_for_what_is_no_photo_yet(run, folder, said):
    for name in ("a.png", "b.png"):
        (folder / name).write_bytes(b"half")
    run()
    (line,) = [line for line in said if "no photo yet" in line]
    assert line == "a.png: no photo yet; such files have 0.5 s to become one (--patience)"


def test_a_broken_file_that_is_mended_is_answered(run, folder, out):
    (folder / "a.png").write_bytes(b"half")
    run()
    draw(folder / "a.png", "blue")
    run()
    assert answers(out) == [("a.png", "error"), ("a.png", "blue")]


def test_a_file_too_large_to_be_a_photo_is_broken(run, folder, out, monkeypatch):
    monkeypatch.setattr("edgecat.watch.content.MAX_BYTES", 1000)
    Image.effect_noise((300, 300), 80).save(folder / "a.png")
    run()
    assert "larger than" in read(out)[0]["error"]


def test_a_missing_folder_is_refused(run, tmp_path, out):
    with pytest.raises(ConfigError, match="nowhere: no such folder"):
        run(folder=tmp_path / "nowhere")
    assert not out.exists()


def test_a_full_disk_ends_a_single_look_with_an_error_and_loses_nothing(
    run, folder, out, largest_file
):
    draw(folder / "a.png", "red")
    with pytest.raises(StorageError, match="df -h"), largest_file(10):
        run()
    assert out.read_bytes() == b""
    run()
    assert answers(out) == [("a.png", "red")]


def test_a_new_bundle_is_used_from_then_on_and_a_broken_one_is_refused(
    run, bundle, folder, out, said, make_bundle, colour_model
):
    second = make_bundle(("rouge", "vert", "bleu"), {"model.onnx": colour_model}, name="second")
    draw(folder / "a.png", "red")

    def change():
        while not out.exists() or len(read(out)) < 1:
            time.sleep(0.02)
        bundle.rename(bundle.with_name("old"))
        second.rename(bundle)
        while not any("new bundle in use: second" in line for line in said):
            time.sleep(0.02)
        draw(folder / "b.png", "red")
        while len(read(out)) < 2:
            time.sleep(0.02)
        manifest = (bundle / "bundle.json").read_bytes()
        (bundle / "bundle.json").write_bytes(manifest[:100])
        while not any("refused" in line for line in said):
            time.sleep(0.02)
        draw(folder / "c.png", "blue")

    thread = threading.Thread(target=change)
    thread.start()
    run(3)
    thread.join()
    assert answers(out) == [("a.png", "red"), ("b.png", "rouge"), ("c.png", "bleu")]
    assert [line["bundle"] for line in read(out)] == ["bundle", "second", "second"]


def test_hanging_up_opens_the_bundle_again(run, folder, out, said):
    draw(folder / "a.png", "red")

    def hang_up():
        while not out.exists() or len(read(out)) < 1:
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGHUP)
        while not any("new bundle in use" in line for line in said):
            time.sleep(0.02)
        draw(folder / "b.png", "red")

    thread = threading.Thread(target=hang_up)
    thread.start()
    run(2)
    thread.join()
    assert len(read(out)) == 2


def test_where_there_is_no_inotify_photos_are_found_by_scanning(
    run, folder, out, said, monkeypatch
):
    def refuse(*_):
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("edgecat.watch.loop.Inotify", refuse)
    draw(folder / "a.png", "red")
    run(1)
    assert answers(out) == [("a.png", "red")]
    assert sum("inotify: Too many open files" in line for line in said) == 1


# Real processes


@pytest.fixture
def start(bundle, folder, out):
    """A function that starts `edgecat watch`; what runs still at the end is killed."""
    with contextlib.ExitStack() as stack:

        def start_one(*options, **popen):
            command = [*ENTRY, "watch", bundle, folder, "--out", out, "--settle", "0.3", *options]
            pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
            process = stack.enter_context(subprocess.Popen(command, **pipes, **popen))
            stack.callback(process.kill)
            return process

        yield start_one


def wait_until(is_true):
    end_s = time.monotonic() + WAIT_S
    while not is_true():
        assert time.monotonic() < end_s, "it did not come"
        time.sleep(0.02)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_ends_it_in_order(start, folder, out, number, code):
    process = start()
    draw(folder / "a.png", "red")
    wait_until(lambda: out.exists() and out.read_text())
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=WAIT_S)
    assert process.returncode == code
    assert "Traceback" not in stderr
    assert stderr.splitlines()[1:] == ["stopped"]
    assert stdout == "a.png: red 100.0 %\n"
    assert answers(out) == [("a.png", "red")]


def test_a_second_one_is_refused_and_the_first_goes_on(start, folder, out):
    first = start()
    draw(folder / "a.png", "red")
    wait_until(lambda: out.exists() and out.read_text())
    second = start()
    assert second.wait(WAIT_S) == 2
    assert second.stderr.read().startswith(f"error: {out}: another edgecat watch")
    draw(folder / "b.png", "blue")
    wait_until(lambda: len(read(out)) == 2)
    assert first.poll() is None


def test_killed_at_any_moment_it_answers_each_photo_once(start, folder, out):
    rng = random.Random(0)
    num_photos = 0
    for _ in range(5):
        process = start("--patience", "5")
        for _ in range(8):
            path = folder / f"{num_photos}.png"
            draw(path.with_suffix(".tmp"), "red", seed=num_photos)
            data = path.with_suffix(".tmp").read_bytes()
            path.with_suffix(".tmp").unlink()
            with path.open("wb", buffering=0) as file:  # in two parts, with the kill in between
                file.write(data[:100])
                time.sleep(rng.uniform(0, 0.12))
                file.write(data[100:])
            num_photos += 1
        process.kill()
        process.communicate()
    last = start("--once")
    assert last.wait(WAIT_S) == 0
    counted = Counter(photo for photo, answer in answers(out) if answer == "red")
    assert counted == {f"{number}.png": 1 for number in range(num_photos)}


def test_a_disk_that_was_full_is_told_of_once_and_got_over(start, folder, out):
    process = start()
    assert process.stderr.readline().startswith("watching")
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (300, resource.RLIM_INFINITY))
    for number in range(3):
        draw(folder / f"{number}.png", "red", seed=number)
    assert "cannot be written (disk I/O error); nothing is lost" in process.stderr.readline()
    time.sleep(1.5)  # another trial
    assert out.read_text() == ""
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    wait_until(lambda: len(read(out)) == 3)
    process.terminate()
    assert process.communicate(timeout=WAIT_S)[1] == f"{out}: well again\nstopped\n"
    assert sorted(photo for photo, _ in answers(out)) == ["0.png", "1.png", "2.png"]


def test_while_the_disk_is_full_a_signal_ends_it(start, folder, out):
    process = start()
    assert process.stderr.readline().startswith("watching")
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (10, resource.RLIM_INFINITY))
    draw(folder / "a.png", "red")
    assert "cannot be written" in process.stderr.readline()
    process.terminate()
    assert process.wait(WAIT_S) == 0
    assert out.read_bytes() == b""


def test_standard_output_is_no_results_file(start):
    process = start("--out", "-")
    assert process.wait(WAIT_S) == 2
    assert "Give a file, such as --out results.jsonl" in process.stderr.read()


def test_output_that_nobody_reads_any_more_is_an_error_and_loses_nothing(start, folder, out):
    for number in range(5):
        draw(folder / f"{number}.png", "red", seed=number)
    process = start("--once")
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(WAIT_S) == BROKEN_PIPE
    assert "the same command goes on with the rest" in process.stderr.read().splitlines()[-1]
    assert start("--once").wait(WAIT_S) == 0
    assert Counter(answers(out)) == {(f"{number}.png", "red"): 1 for number in range(5)}


def test_a_log_that_cannot_be_written_is_no_reason_to_stop(start, folder, out):
    with open("/dev/full", "w") as full:
        process = start(preexec_fn=lambda: (os.dup2(full.fileno(), 1), os.dup2(full.fileno(), 2)))
        for number in range(3):
            draw(folder / f"{number}.png", "red", seed=number)
        wait_until(lambda: out.exists() and len(read(out)) == 3)
        assert process.poll() is None


def test_a_name_from_outside_does_not_reach_the_terminal_as_it_is(start, folder, out):
    draw(folder / "\x1b[2Jclear\n.png", "red")
    process = start("--once")
    assert process.communicate(timeout=WAIT_S)[0] == r"'\x1b[2Jclear\n.png': red 100.0 %" + "\n"


@pytest.mark.parametrize(
    ("make", "code", "words"),
    [
        (lambda folder, out: shutil.rmtree(folder), 2, "no such folder"),
        (lambda folder, out: out.mkdir(), 13, "cannot be opened for writing"),
        (lambda folder, out: out.write_text("dear diary\n"), 2, "line 1 was not written by"),
    ],
)
def test_what_cannot_be_watched_is_refused_in_one_line(start, folder, out, make, code, words):
    make(folder, out)
    process = start()
    assert process.wait(WAIT_S) == code
    error = process.stderr.read()
    assert error.startswith("error: ")
    assert words in error
    assert error.count("\n") == 1
