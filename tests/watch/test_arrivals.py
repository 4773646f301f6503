"""Which files have arrived whole, by scanning and by inotify."""

import contextlib
import errno
import os
import subprocess
import time

import pytest

import edgecat.watch.arrivals
from edgecat.service.troubles import Troubles
from edgecat.watch.arrivals import TEMPORARY, Arrivals
from edgecat.watch.inotify import Inotify
from edgecat.watch.journal import Journal, JournalPlace
from edgecat.watch.photo import Photo, Stamp

pytestmark = pytest.mark.slow  # waits for files to settle

WAIT_S = 10  # so long a test waits for something that must come
SHORT_S = 0.3
LONG_S = 60.0  # so long nothing in a test lasts


@pytest.fixture(autouse=True)
def scan_often(monkeypatch):
    monkeypatch.setattr(edgecat.watch.arrivals, "_SCAN_EVERY_S", SHORT_S)


@pytest.fixture
def journal(tmp_path, folder, said):
    opened = open_journal(tmp_path / "results.jsonl", folder, said)
    yield opened
    opened.close()


def open_journal(out, folder, said):
    return Journal(JournalPlace(out, folder), said, on_step=lambda: None)


def append(journal, name, stamp):
    journal.add(Photo(name, stamp, bytes(32)), {"answer": "x"})
    journal.deliver()


@pytest.fixture
def inotify():
    opened = Inotify()
    yield opened
    opened.close()


@pytest.fixture
def arrivals(folder, journal, said):
    """A function that makes the arrivals of `folder`, without inotify unless given."""

    def make(settle_s=SHORT_S, patience_s=LONG_S, inotify=None):
        return Arrivals(
            folder,
            journal,
            Troubles(said),
            settle_s=settle_s,
            patience_s=patience_s,
            inotify=inotify,
        )

    return make


def wait_for_whole(arrivals, seconds=WAIT_S):
    """Wait until something is whole and return the names, oldest first."""
    end_s = time.monotonic() + seconds
    whole = []
    while not whole and time.monotonic() < end_s:
        arrivals.wait()
        whole = arrivals.take_whole()
    return [arrival.photo for arrival in whole]


def test_files_and_those_in_sub_folders_are_found_oldest_first(folder, arrivals):
    (folder / "sub" / "deep").mkdir(parents=True)
    for age, name in enumerate(["new.jpg", "sub/deep/middle.jpg", "old"]):
        (folder / name).touch()
        os.utime(folder / name, (1000 - age, 1000 - age))
    assert wait_for_whole(arrivals()) == ["old", "sub/deep/middle.jpg", "new.jpg"]


@pytest.mark.parametrize("is_quick", [False, True])
def test_what_is_no_photo_by_its_kind_or_name_is_passed_over(
    folder, arrivals, inotify, tmp_path, is_quick
):
    made = arrivals(settle_s=0, inotify=inotify if is_quick else None)
    made.wait()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.jpg").touch()
    (folder / "link.jpg").symlink_to(tmp_path / "outside" / "secret.jpg")
    (folder / "folder").symlink_to(tmp_path / "outside")
    os.mkfifo(folder / "pipe.jpg")
    for name in (".hidden.jpg", "Thumbs.db", *(f"a.JPG{e.upper()}" for e in TEMPORARY)):
        (folder / name).touch()
    for name in (".hidden", "__MACOSX"):
        (folder / name).mkdir()
        (folder / name / "a.jpg").touch()
    assert wait_for_whole(made, 1) == []
    (folder / "part.jpg").touch()
    assert wait_for_whole(made) == ["part.jpg"]


def test_the_results_and_their_record_are_no_photos(folder, arrivals, said):
    journal = open_journal(folder / "results.jsonl", folder, said)
    made = Arrivals(folder, journal, Troubles(said), settle_s=0, patience_s=0, inotify=None)
    append(journal, "a.jpg", Stamp(1, 1, 1))
    (folder / "results.jsonl").rename(folder / "results.jsonl.1")
    append(journal, "c.jpg", Stamp(1, 1, 1))
    (folder / "results.jsonl.1").rename(folder / "results-20261128.jsonl")
    append(journal, "d.jpg", Stamp(1, 1, 1))
    (folder / "b.jpg").touch()
    assert wait_for_whole(made) == ["b.jpg"]
    journal.close()


def test_a_photo_whose_name_begins_like_that_of_the_results_is_one(folder, arrivals, said):
    journal = open_journal(folder / "cat", folder, said)
    made = Arrivals(folder, journal, Troubles(said), settle_s=0, patience_s=0, inotify=None)
    append(journal, "a.jpg", Stamp(1, 1, 1))
    (folder / "cat").rename(folder / "cat.1.gz")
    for place in ("cats", "cat-photos"):
        (folder / place).mkdir()
        (folder / place / "1.jpg").touch()
    photos = {"cat1.jpg", "cat.jpg", "cat-20261128.JPG", "cat.1.heic", "cat_2.png"}
    for name in photos:
        (folder / name).touch()
    assert set(wait_for_whole(made)) == {"cats/1.jpg", "cat-photos/1.jpg"} | photos
    journal.close()


def test_a_file_is_whole_when_it_has_not_changed_for_a_while(folder, arrivals):
    made = arrivals(settle_s=0.7)
    with (folder / "slow.jpg").open("wb") as file:
        started_s = time.monotonic()
        while time.monotonic() < started_s + 1:
            file.write(b"more")
            file.flush()
            made.wait()
            assert made.take_whole() == []
    assert made.waiting == {"slow.jpg"}
    assert wait_for_whole(made) == ["slow.jpg"]


def test_a_file_that_is_closed_is_whole_at_once(folder, arrivals, inotify):
    made = arrivals(settle_s=LONG_S, inotify=inotify)
    made.wait()
    (folder / "a.jpg").touch()
    assert wait_for_whole(made) == ["a.jpg"]


def test_a_file_in_a_new_folder_is_found_with_inotify_too(folder, arrivals, inotify):
    made = arrivals(inotify=inotify)
    made.wait()
    (folder / "new" / "deep").mkdir(parents=True)
    (folder / "new" / "deep" / "a.jpg").touch()
    assert wait_for_whole(made) == ["new/deep/a.jpg"]


@pytest.mark.parametrize("is_moved", [False, True])
def test_for_a_new_folder_only_that_is_looked_through(
    folder, tmp_path, arrivals, inotify, is_moved, monkeypatch
):
    monkeypatch.setattr(edgecat.watch.arrivals, "_SCAN_EVERY_S", LONG_S)
    made = arrivals(settle_s=0, inotify=inotify)
    made.wait()
    listed, look = [], made._list
    monkeypatch.setattr(made, "_list", lambda path: listed.append(path.name) or look(path))
    deep = (tmp_path if is_moved else folder) / "new" / "deep"
    deep.mkdir(parents=True)
    (deep / "a.jpg").touch()
    if is_moved:
        (tmp_path / "new").rename(folder / "new")
    assert wait_for_whole(made) == ["new/deep/a.jpg"]
    assert set(listed) == {"new", "deep"}


def test_a_scan_goes_on_in_slices_and_misses_nothing(folder, arrivals, monkeypatch):
    monkeypatch.setattr(edgecat.watch.arrivals, "_SCAN_SLICE_S", 1e-9)
    for number in range(20):
        (folder / str(number % 3)).mkdir(exist_ok=True)
        (folder / str(number % 3) / f"{number}.jpg").touch()
    made = arrivals()
    num_slices = 0
    while not made.has_scanned:
        made.wait()
        num_slices += 1
    assert num_slices > 10
    assert len(made.waiting) == 20


def test_a_file_that_is_written_on_after_it_was_closed_waits_again(folder, arrivals, inotify):
    made = arrivals(settle_s=LONG_S, inotify=inotify)
    made.wait()
    with (folder / "a.jpg").open("wb") as first:
        (folder / "a.jpg").write_bytes(b"by another")
        made.wait()
        made.wait()
        first.write(b"more, by the first")
        first.flush()
        assert made.take_whole() == []
    assert wait_for_whole(made) == ["a.jpg"]


def test_a_file_that_is_no_photo_yet_is_tried_again_when_it_changes(folder, arrivals):
    made = arrivals()
    (folder / "a.jpg").write_bytes(b"half")
    assert wait_for_whole(made) == ["a.jpg"]
    (arrival,) = made.take_whole()
    assert not arrival.is_last_chance
    made.wait_longer(arrival)
    assert made.take_whole() == []
    (folder / "a.jpg").write_bytes(b"half and the rest")
    assert wait_for_whole(made) == ["a.jpg"]
    made.done("a.jpg")
    assert made.waiting == set()


def test_a_file_that_stays_no_photo_gets_a_last_chance(folder, arrivals):
    made = arrivals(settle_s=0, patience_s=SHORT_S)
    (folder / "a.jpg").write_bytes(b"half")
    wait_for_whole(made)
    (arrival,) = made.take_whole()
    made.wait_longer(arrival)
    assert wait_for_whole(made) == ["a.jpg"]
    (arrival,) = made.take_whole()
    assert arrival.is_last_chance


def test_a_file_that_is_gone_waits_no_more(folder, arrivals):
    made = arrivals()
    (folder / "a.jpg").touch()
    made.wait()
    (folder / "a.jpg").unlink()
    assert made.take_whole() == []
    assert made.waiting == set()


def test_a_done_file_is_not_found_again_until_it_is_replaced(folder, arrivals, journal):
    path = folder / "a.jpg"
    path.touch()
    append(journal, "a.jpg", Stamp.of(path.stat()))
    made = arrivals(settle_s=0)
    made.wait()
    assert made.waiting == set()
    path.write_bytes(b"new")
    assert wait_for_whole(made) == ["a.jpg"]


def test_a_folder_that_goes_away_is_told_of_once_and_waited_for(folder, arrivals, said, inotify):
    made = arrivals(inotify=inotify)
    made.wait()
    folder.rename(folder.with_name("away"))
    assert wait_for_whole(made, 1) == []
    assert len(said) == 1
    assert "cannot be read (No such file or directory)" in said[0]
    folder.with_name("away").rename(folder)
    assert wait_for_whole(made, 1) == []
    assert said[1:] == [f"{folder}: well again"]


def test_a_trouble_of_a_file_that_is_gone_is_told_again_if_it_comes_again(folder, journal, said):
    troubles = Troubles(said)
    made = Arrivals(folder, journal, troubles, settle_s=0, patience_s=LONG_S, inotify=None)
    for _ in range(2):
        (folder / "a.jpg").touch()
        assert wait_for_whole(made) == ["a.jpg"]
        troubles.begin("a.jpg", "a.jpg: cannot be read")
        troubles.begin("a.jpg", "a.jpg: cannot be read")
        (folder / "a.jpg").unlink()
        assert made.take_whole() == []
    assert said == ["a.jpg: cannot be read"] * 2


class Unknown:
    """An entry of a folder whose file system does not say what it is, and is away when asked."""

    def __init__(self, name):
        self.name = self.path = name

    def is_dir(self, *, follow_symlinks):
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))


def test_a_folder_that_does_not_say_what_is_in_it_is_told_of_once_and_tried_again(
    folder, arrivals, said, monkeypatch
):
    made, scan = arrivals(settle_s=0), os.scandir
    (folder / "a.jpg").touch()
    monkeypatch.setattr(os, "scandir", lambda path: contextlib.nullcontext([Unknown("a.jpg")]))
    assert wait_for_whole(made, 1) == []
    assert said == [f"{folder}: cannot be read (Stale file handle); tried until it can"]
    monkeypatch.setattr(os, "scandir", scan)
    assert wait_for_whole(made) == ["a.jpg"]
    assert said[1:] == [f"{folder}: well again"]


def test_folders_in_folders_without_end_are_borne(folder, arrivals):
    deep = os.open(folder, os.O_RDONLY)
    for _ in range(1050):  # deeper than Python recurses
        os.mkdir("sub", dir_fd=deep)
        deeper = os.open("sub", os.O_RDONLY, dir_fd=deep)
        os.close(deep)
        deep = deeper
    os.close(deep)
    (folder / "a.jpg").touch()
    whole = wait_for_whole(arrivals())
    subprocess.run(["rm", "-r", folder / "sub"], check=True)  # which pytest could not
    assert whole == ["a.jpg"]
