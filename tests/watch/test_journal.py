"""The results file: what counts as one photo, and what is left of it after anything."""

import contextlib
import hashlib
import json
import os
import shutil

import pytest

from edgecat.errors import ConfigError, StorageError
from edgecat.watch.journal import Journal, Stamp


class Said(list):
    say = list.append


@pytest.fixture
def said():
    return Said()


@pytest.fixture
def journal(tmp_path, said):
    """A function that opens the same results file again and again, one at a time."""
    opened = []

    def open_again():
        if opened:
            opened.pop().close()
        opened.append(Journal(tmp_path / "results.jsonl", said))
        return opened[0]

    yield open_again
    if opened:
        opened.pop().close()


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def append(journal, photo="a.jpg", data=b"a", stamp=None, **result):
    journal.append(photo, stamp or Stamp(len(data), 1, 1), sha256(data), result or {"answer": "x"})


def append_file(journal, path):
    append(journal, path.name, path.read_bytes(), Stamp.of(path.stat()))


def has_answered(journal, path):
    return journal.has_answered(path.name, Stamp.of(path.stat()), sha256(path.read_bytes()))


def touch(path):
    os.utime(path, ns=(5, 5))
    return path


def replace(path):
    path.write_bytes(b"another")
    return path


def move(path):
    return path.rename(path.with_name("b.jpg"))


def link(path):
    path.with_name("b.jpg").hardlink_to(path)
    return path.with_name("b.jpg")


def copy(path):
    return shutil.copy2(path, path.with_name("b.jpg"))


def remove_and_bring_again(path):
    data = path.read_bytes()
    path.unlink()
    path.with_name("in between").write_bytes(b"takes the inode")
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("is_restarted", [False, True])
@pytest.mark.parametrize(
    ("change", "is_same"),
    [
        (touch, True),
        (move, True),
        (link, True),
        (remove_and_bring_again, True),
        (replace, False),
        (copy, False),
    ],
)
def test_what_counts_as_the_same_photo(tmp_path, journal, change, is_same, is_restarted):
    path = tmp_path / "a.jpg"
    path.write_bytes(b"content")
    append_file(opened := journal(), path)
    changed = change(path)
    if is_restarted:
        opened = journal()
    assert has_answered(opened, changed) == is_same


def test_a_content_that_comes_back_under_its_name_is_a_new_photo(tmp_path, journal):
    path = tmp_path / "latest.jpg"
    opened = journal()
    for data in (b"night", b"day", b"night"):
        path.with_name("upload").write_bytes(data)
        path.with_name("upload").rename(path)
        assert not has_answered(opened, path)
        append_file(opened, path)
        assert has_answered(opened, path)


@pytest.mark.parametrize(
    ("photo", "stamp", "is_known"),
    [
        ("a.jpg", Stamp(7, 1, 1), True),
        ("a.jpg", Stamp(7, 1, 99), True),  # FAT, mounted again
        ("renamed.jpg", Stamp(7, 1, 1), True),
        ("copy.jpg", Stamp(7, 1, 99), False),
        ("a.jpg", Stamp(8, 1, 1), False),
        ("a.jpg", Stamp(7, 2, 1), False),
    ],
)
def test_most_done_photos_are_known_without_reading_them(journal, photo, stamp, is_known):
    append(journal(), "a.jpg", b"content", Stamp(7, 1, 1))
    assert journal().is_known(photo, stamp) == is_known


def test_a_photo_that_was_touched_is_read_only_once_more(tmp_path, journal):
    path = tmp_path / "a.jpg"
    path.write_bytes(b"content")
    append_file(opened := journal(), path)
    touch(path)
    assert not opened.is_known("a.jpg", Stamp.of(path.stat()))
    assert has_answered(opened, path)
    assert opened.is_known("a.jpg", Stamp.of(path.stat()))


def test_a_line_is_json_with_all_that_names_the_photo(tmp_path, journal):
    append(journal(), "sub/a.jpg", b"abc", Stamp(3, 17, 23), answer="Siamese")
    assert json.loads((tmp_path / "results.jsonl").read_text()) == {
        "photo": "sub/a.jpg",
        "size_bytes": 3,
        "mtime_ns": 17,
        "inode": 23,
        "sha256": sha256(b"abc"),
        "answer": "Siamese",
    }


@pytest.mark.parametrize("name", ["고양이.jpg", "line\nfeed.jpg", os.fsdecode(b"b\xffad.jpg"), '"'])
def test_any_name_takes_one_line_and_comes_back(tmp_path, journal, name):
    append(journal(), name)
    assert (tmp_path / "results.jsonl").read_bytes().count(b"\n") == 1
    assert journal().has_answered(name, Stamp(9, 9, 9), sha256(b"a"))


# What a kill or a power cut leaves


def test_wherever_the_last_line_is_torn_the_whole_ones_stay(tmp_path, journal):
    path = tmp_path / "results.jsonl"
    append(journal(), "a.jpg")
    whole = path.read_bytes()
    append(journal(), "b.jpg")
    both = path.read_bytes()
    for size_bytes in range(len(whole), len(both), 7):
        path.write_bytes(both[:size_bytes])
        opened = journal()
        assert opened.num_before == 1
        assert path.read_bytes() == whole
        append(opened, "b.jpg")
        assert path.read_bytes() == both


@pytest.mark.parametrize(
    "torn",
    [
        b"\0" * 300,
        b'{"photo": "b' + b"\0" * 300,
        b'{"photo": "b' + b"\0" * 300 + b"\n",  # the page of the newline got to the disk
        b"\0" * 300 + b'"answer": "x"}\n',
    ],
)
def test_zeros_that_a_power_cut_leaves_are_cut_off(tmp_path, journal, torn):
    path = tmp_path / "results.jsonl"
    append(journal())
    whole = path.read_bytes()
    path.write_bytes(whole + torn)
    assert journal().num_before == 1
    assert path.read_bytes() == whole


def test_a_first_line_that_is_torn_leaves_an_empty_file(tmp_path, journal):
    path = tmp_path / "results.jsonl"
    path.write_bytes(b'{"photo": "a.j')
    assert journal().num_before == 0
    assert path.read_bytes() == b""


# What is not ours


@pytest.mark.parametrize(
    "content",
    [
        b"dear diary",
        b"dear diary\n",
        b"\0\0\0\x18ftypmp42",
        b"\xff\xd8\xff\xe0 a photo",
        b"{}\n",
        b'{"photo": 1}\n{"photo": 2}\n',
        b'[{"photo": "a.jpg"}]',
        b"\0" * 100_000,
        b"[" * 60_000 + b"\n",
        b'{"size_bytes": Infinity, "mtime_ns": 1, "inode": 1}\n',
    ],
)
def test_a_file_that_is_no_results_file_is_refused_and_not_touched(tmp_path, journal, content):
    path = tmp_path / "results.jsonl"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="line 1 was not written by edgecat watch"):
        journal()
    assert path.read_bytes() == content


def test_a_line_in_the_middle_that_is_none_is_named(tmp_path, journal):
    path = tmp_path / "results.jsonl"
    append(journal(), "a.jpg")
    line = path.read_bytes()
    path.write_bytes(line + b"oops\n" + line)
    with pytest.raises(ConfigError, match="line 2 was not written"):
        journal()


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda path: path.mkdir(), StorageError),
        (lambda path: os.mkfifo(path), ConfigError),
        (lambda path: path.symlink_to("/dev/full"), ConfigError),
        (lambda path: path.symlink_to("nowhere/results.jsonl"), StorageError),
    ],
)
def test_what_cannot_be_a_results_file_is_refused(tmp_path, journal, make, error):
    make(tmp_path / "results.jsonl")
    with pytest.raises(error, match=r"results\.jsonl: .*--out"):
        journal()


def test_only_one_may_have_it_open(tmp_path, journal, said):
    journal()
    with pytest.raises(ConfigError, match="another edgecat watch"):
        Journal(tmp_path / "results.jsonl", said)
    journal()


# While it is open


@pytest.mark.parametrize("take_away", [os.remove, lambda path: path.rename(f"{path}.1")])
def test_a_file_that_is_taken_away_is_begun_anew(tmp_path, journal, said, take_away):
    path = tmp_path / "results.jsonl"
    opened = journal()
    append(opened, "a.jpg")
    take_away(path)
    append(opened, "b.jpg")
    append(opened, "c.jpg")
    assert [json.loads(line)["photo"] for line in path.read_text().splitlines()] == [
        "b.jpg",
        "c.jpg",
    ]
    assert opened.has_answered("a.jpg", Stamp(1, 2, 3), sha256(b"a"))
    assert len(said) == 1
    assert "begun" in said[0]


def test_a_new_file_that_another_process_has_begun_is_refused(tmp_path, journal, said):
    path = tmp_path / "results.jsonl"
    opened = journal()
    path.unlink()
    other = Journal(path, said)
    with pytest.raises(ConfigError, match="another edgecat watch"):
        append(opened)
    other.close()


def test_another_file_in_its_place_is_refused_and_not_touched(tmp_path, said):
    path = tmp_path / "results.jsonl"
    with contextlib.closing(Journal(path, said)) as opened:
        append(opened, "a.jpg")
        path.unlink()
        path.write_text("dear diary\n")
        with pytest.raises(ConfigError, match="line 1 was not written by edgecat watch"):
            append(opened, "b.jpg")
    assert path.read_text() == "dear diary\n"


@pytest.mark.parametrize("room_bytes", [0, 1, 50])
def test_a_full_disk_leaves_the_whole_lines_and_is_got_over(
    tmp_path, journal, largest_file, room_bytes
):
    path = tmp_path / "results.jsonl"
    opened = journal()
    append(opened, "a.jpg")
    whole = path.read_bytes()
    told = pytest.raises(StorageError, match="nothing is lost")
    with told, largest_file(len(whole) + room_bytes):
        append(opened, "b.jpg")
    assert path.read_bytes() == whole
    assert not opened.has_answered("b.jpg", Stamp(9, 9, 9), sha256(b"a"))
    append(opened, "b.jpg")
    assert journal().num_before == 2


def test_what_could_not_be_cut_off_at_once_is_cut_off_before_the_next_line(
    tmp_path, journal, monkeypatch
):
    """As on a disk that turns read-only between a write and its fsync."""

    def fail(*_):
        raise OSError(30, "Read-only file system")

    opened = journal()
    append(opened, "a.jpg")
    with monkeypatch.context() as patch, pytest.raises(StorageError):
        patch.setattr(os, "fsync", fail)
        patch.setattr(os, "ftruncate", fail)
        append(opened, "b.jpg")
    append(opened, "b.jpg")
    lines = (tmp_path / "results.jsonl").read_text().splitlines()
    assert [json.loads(line)["photo"] for line in lines] == ["a.jpg", "b.jpg"]
