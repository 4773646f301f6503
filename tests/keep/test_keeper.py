"""Photos are kept once, whole, within the quota; a disk that fails stops nobody."""

import dataclasses
import hashlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edgecat.errors import ConfigError
from edgecat.keep.decisions import Decision, format_decision
from edgecat.keep.kept import DECISIONS, PHOTOS, list_kept, load_answer
from edgecat.runtime.prediction import Guess
from tests.keep.conftest import SOURCE, draw, predict

TIME = "2026-11-28T10:20:30.000+00:00"


def seeds_of(place):
    known = {draw(seed)[1]: seed for seed in range(300)}
    return [known[photo.sha256] for photo in list_kept(place.folder)]


def size_of(place):
    return sum(path.stat().st_size for path in (place.folder / PHOTOS).iterdir())


def decide(place, seed, kind="label"):
    label = "Persian" if kind == "label" else None
    with (place.folder / DECISIONS).open("ab") as file:
        file.write(format_decision(Decision(draw(seed)[1], kind, TIME, label)))


def test_a_photo_is_kept_as_it_came_with_the_answer(keep, place):
    keep(1)
    (photo,) = list_kept(place.folder)
    data, sha256 = draw(1)
    assert photo.path == place.folder / PHOTOS / f"{sha256}.png"
    assert photo.path.read_bytes() == data
    answer = load_answer(photo)
    assert (answer.why, answer.answer, answer.name) == ("unsure", "Siamese", "front/1.jpg")
    assert (answer.bundle, answer.variant) == ("cats", "onnxruntime-int8")
    assert answer.top == (Guess("Siamese", 0.4), Guess("Persian", 0.3))
    assert answer.time.endswith("+00:00")


def test_nobody_else_may_look_at_the_photos(keep, place):
    keep(1)
    for folder in (place.folder, place.folder / PHOTOS):
        assert folder.stat().st_mode & 0o077 == 0


def test_a_photo_is_kept_once_and_what_is_sure_is_not_kept(keep, place):
    keep(1, 2, 1, 1)
    keep(3, prediction=predict(0.99, 0.01))
    assert sorted(seeds_of(place)) == [1, 2]


def test_the_oldest_make_room_but_not_those_with_a_label(said, place, open_keeper):
    num_bytes = len(draw(0)[0]) + 400  # of an answer, about
    place = dataclasses.replace(place, max_bytes=5 * num_bytes)
    keeper = open_keeper(place)
    for seed in range(30):
        keeper.look_at(*draw(seed), predict(), SOURCE)
        assert size_of(place) <= place.max_bytes
        if seed == 2:
            decide(place, 1)
            decide(place, 2, "skip")
    kept = seeds_of(place)
    assert kept[0] == 1
    assert kept[1:] == [*range(31 - len(kept), 30)]
    assert said[1:] == []


def test_a_folder_full_of_labelled_photos_is_told_and_its_end_too(said, place, open_keeper):
    place = dataclasses.replace(place, max_bytes=1000)
    keeper = open_keeper(place)
    for seed in range(3):
        keeper.look_at(*draw(seed), predict(), SOURCE)
        decide(place, seed)
    before = seeds_of(place)
    for seed in (10, 11, 12, 13):
        keeper.look_at(*draw(seed), predict(), SOURCE)
    assert seeds_of(place)[: len(before)] == before
    (line,) = said[1:]
    assert "--keep-mb" in line and "with a label are not removed" in line
    (place.folder / DECISIONS).unlink()
    keeper.look_at(*draw(14), predict(), SOURCE)
    assert said[-1].endswith("well again")


def test_a_photo_larger_than_the_quota_drives_nothing_out(said, place, open_keeper):
    place = dataclasses.replace(place, max_bytes=2000)
    keeper = open_keeper(place)
    for seed in range(3):
        keeper.look_at(*draw(seed), predict(), SOURCE)
    photo, _ = draw(9)
    large = photo + bytes(3000)
    keeper.look_at(large, hashlib.sha256(large).hexdigest(), predict(), SOURCE)
    assert sorted(seeds_of(place)) == [0, 1, 2]
    assert "no room for a photo" in said[-1]


def test_decisions_that_do_not_read_remove_no_photo(said, place, open_keeper):
    place = dataclasses.replace(place, max_bytes=2000)
    keeper = open_keeper(place)
    keeper.look_at(*draw(0), predict(), SOURCE)
    (place.folder / DECISIONS).write_text("edited by hand\n")
    for seed in range(1, 9):
        keeper.look_at(*draw(seed), predict(), SOURCE)
    assert 0 in seeds_of(place)
    assert "line 1" in said[-1]


def test_a_full_disk_is_told_once_and_its_end_too(small_disk, said, place, open_keeper):
    keeper = open_keeper(dataclasses.replace(place, folder=small_disk / "kept"))
    (small_disk / "filler").write_bytes(bytes(250_000))
    for seed in range(40):
        keeper.look_at(*draw(seed), predict(), SOURCE)
    (line,) = said[1:]
    assert "answered, but not kept" in line and "No space left" in line
    (small_disk / "filler").unlink()
    keeper.look_at(*draw(100), predict(), SOURCE)
    assert said[2:] == [f"{small_disk / 'kept'}: well again"]


def test_of_a_photo_that_does_not_fit_on_the_disk_no_answer_is_left(
    place, open_keeper, largest_file
):
    keeper = open_keeper(place)
    photo = draw(0)[0] + bytes(5000)
    with largest_file(2000):
        sha256 = hashlib.sha256(photo).hexdigest()
        assert not keeper.look_at(photo, sha256, predict(), SOURCE)
    assert not [*(place.folder / PHOTOS).iterdir()]


def test_a_folder_that_cannot_be_made_is_told_and_tried_again(said, place, open_keeper):
    place.folder.parent.joinpath("kept").write_text("a file stands in the way")
    keeper = open_keeper(place)
    keeper.look_at(*draw(0), predict(), SOURCE)
    assert "are kept in" in said[0]
    assert "not kept" in said[1]
    place.folder.unlink()
    keeper.look_at(*draw(0), predict(), SOURCE)
    assert seeds_of(place) == [0]
    assert said[-1].endswith("well again")


def test_a_folder_that_was_deleted_is_begun_again(keep, place):
    keep(0)
    shutil.rmtree(place.folder)
    keep(1)
    assert seeds_of(place) == [1]


def test_a_second_process_is_refused(keep, place, open_keeper):
    with pytest.raises(ConfigError, match="another edgecat keeps photos there"):
        open_keeper(place)


def test_a_link_and_other_files_are_passed_over(keep, place):
    keep(0)
    photos = place.folder / PHOTOS
    (photos / f"{'0' * 64}.png").symlink_to("/etc/passwd")
    (photos / "holiday.png").write_bytes(b"x")
    assert seeds_of(place) == [0]


KEEP_FOREVER = """
import itertools
import sys
from pathlib import Path
from edgecat.keep.keeper import Keeper
from edgecat.keep.place import KeepPlace
from edgecat.progress import Silent
from tests.keep.conftest import SOURCE, draw, predict

keeper = Keeper(KeepPlace(Path(sys.argv[1]), 20_000), Silent())
for number in itertools.count(int(sys.argv[2])):
    keeper.look_at(*draw(number % 2**16), predict(), SOURCE)
    print(number, flush=True)
"""


@pytest.mark.slow  # starts processes and kills them
def test_a_kill_leaves_whole_photos_with_their_answers(place, open_keeper):
    root = Path(__file__).parents[2]
    environment = os.environ | {"PYTHONPATH": str(root)}
    for number in range(5):
        command = [sys.executable, "-c", KEEP_FOREVER, str(place.folder), str(number * 1000)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
            for _ in range(3):
                process.stdout.readline()
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.01 * number)
            process.send_signal(signal.SIGKILL)
    open_keeper(dataclasses.replace(place, max_bytes=20_000)).close()
    kept = list_kept(place.folder)
    assert kept
    assert all(load_answer(photo) is not None for photo in kept)
    assert len([*(place.folder / PHOTOS).iterdir()]) == 2 * len(kept)  # nothing is left over
