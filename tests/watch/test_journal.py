"""The results file and its record: what counts as one photo, and what is left after anything."""

import contextlib
import hashlib
import json
import os
import shutil
import sqlite3

import pytest

from edgecat.errors import ConfigError, StorageError
from edgecat.watch.journal import Journal, JournalPlace
from edgecat.watch.photo import Photo, Stamp
from edgecat.watch.results import RECORD_ENDING


@pytest.fixture
def record(out):
    return out.with_name(f"{out.name}{RECORD_ENDING}")


@pytest.fixture
def journal(out, folder, said):
    """A function that opens the same results file again and again, one at a time."""
    with contextlib.ExitStack() as stack:

        def open_again(**options):
            stack.close()
            place = JournalPlace(out, folder, **options)
            opened = Journal(place, said, on_step=lambda: None)
            stack.callback(opened.close)
            return opened

        open_again.close = stack.close
        yield open_again


def photo_of(name="a.jpg", data=b"a", stamp=None):
    return Photo(name, stamp or Stamp(len(data), 1, 1, 1), hashlib.sha256(data).digest())


def append(journal, name="a.jpg", data=b"a", stamp=None, **result):
    journal.add(photo_of(name, data, stamp), result or {"answer": "x"})
    journal.deliver()


def file_of(path):
    return photo_of(path.name, path.read_bytes(), Stamp.of(path.stat()))


def append_file(journal, path):
    journal.add(file_of(path), {"answer": "x"})
    journal.deliver()


def has_answered(journal, path):
    """Return whether a photo is done, and note its name and stamp, as `watch` does."""
    is_done = journal.has_answered(file_of(path))
    if is_done:
        journal.remember(file_of(path))
    return is_done


def names(path):
    return [json.loads(line)["photo"] for line in path.read_text().splitlines()]


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
    ("name", "stamp", "is_known"),
    [
        ("a.jpg", Stamp(7, 1, 1, 1), True),
        ("a.jpg", Stamp(7, 1, 99, 1), True),  # FAT, mounted again
        ("a.jpg", Stamp(8, 1, 1, 1), False),
        ("a.jpg", Stamp(7, 2, 1, 1), False),
        ("a.jpg", Stamp(7, 1, 1, 2), False),  # replaced, by a camera without a clock
        (
            "renamed.jpg",
            Stamp(7, 1, 1, 1),
            False,
        ),  # or another photo, on the inode of a removed one
        ("copy.jpg", Stamp(7, 1, 99, 1), False),
    ],
)
def test_a_done_photo_is_known_without_reading_it_if_nothing_of_it_changed(
    journal, name, stamp, is_known
):
    append(journal(), "a.jpg", b"content", Stamp(7, 1, 1, 1))
    assert journal().is_known(name, stamp) == is_known


def test_a_renamed_photo_stays_known_when_another_has_taken_its_name(tmp_path, journal):
    opened = journal()
    path = tmp_path / "latest.jpg"
    path.write_bytes(b"night")
    append_file(opened, path)
    path.rename(tmp_path / "before.jpg")
    path.write_bytes(b"day")
    append_file(opened, path)
    assert has_answered(opened, tmp_path / "before.jpg")


@pytest.mark.parametrize("number", [2**63, 2**64 - 1, -(10**18), 10**20])
def test_numbers_beyond_those_of_sqlite_are_borne(journal, number):
    stamp = Stamp(7, number, number % 2**64, number)
    append(journal(), "a.jpg", b"content", stamp)
    assert journal().is_known("a.jpg", stamp)


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
        "sha256": hashlib.sha256(b"abc").hexdigest(),
        "answer": "Siamese",
    }


@pytest.mark.parametrize("name", ["고양이.jpg", "line\nfeed.jpg", os.fsdecode(b"b\xffad.jpg"), '"'])
def test_any_name_takes_one_line_and_comes_back(tmp_path, journal, name):
    append(journal(), name)
    assert (tmp_path / "results.jsonl").read_bytes().count(b"\n") == 1
    assert journal().has_answered(photo_of(name))


# Results without a record: of an older version, or because the record was removed


@pytest.fixture
def old(journal, out, record):
    """A results file of two photos, as older versions left it."""
    opened = journal()
    append(opened, "a.jpg", b"a", Stamp(1, 1, 1, 1))
    append(opened, "b.jpg", b"b", Stamp(1, 2, 2, 2))
    journal.close()
    record.unlink()
    return out.read_bytes()


def test_old_results_are_taken_over_once(old, journal, out, said):
    opened = journal()
    assert opened.num_answers == 2
    assert opened.has_answered(photo_of("b.jpg", b"b", Stamp(9, 9, 9, 9)))
    assert journal().num_answers == 2
    append(journal(), "c.jpg")
    assert names(out) == ["a.jpg", "b.jpg", "c.jpg"]
    assert said == [f"{out}: 2 answers taken over into the record"]


def test_of_old_results_only_what_is_unchanged_is_known_without_reading(journal, folder, record):
    for name in ("same.jpg", "touched.jpg"):
        (folder / name).write_bytes(b"content")
        append_file(journal(), folder / name)
    journal.close()
    record.unlink()
    touch(folder / "touched.jpg")
    opened = journal()
    known = {
        path.name: opened.is_known(path.name, file_of(path).stamp) for path in folder.iterdir()
    }
    assert known == {"same.jpg": True, "touched.jpg": False}
    assert has_answered(opened, folder / "touched.jpg")


def test_lines_that_an_older_version_added_later_are_taken_over(old, journal, out):
    lines = old.splitlines(keepends=True)
    out.write_bytes(lines[0])
    journal()
    journal.close()
    out.write_bytes(old)
    opened = journal()
    assert opened.num_answers == 2
    assert opened.has_answered(photo_of("b.jpg", b"b"))


def test_wherever_the_last_line_of_old_results_is_torn_the_whole_ones_stay(
    old, journal, out, record
):
    whole = old.splitlines(keepends=True)[0]
    for size_bytes in range(len(whole), len(old), 7):
        journal.close()
        record.unlink(missing_ok=True)
        out.write_bytes(old[:size_bytes])
        assert journal().num_answers == 1
        assert out.read_bytes() == whole


@pytest.mark.parametrize(
    "torn",
    [
        b"\0" * 300,
        b'{"photo": "b' + b"\0" * 300,
        b'{"photo": "b' + b"\0" * 300 + b"\n",  # the page of the newline got to the disk
        b"\0" * 300 + b'"answer": "x"}\n',
    ],
)
@pytest.mark.parametrize("is_record_there", [False, True])
def test_zeros_that_a_power_cut_leaves_are_cut_off(old, journal, out, torn, is_record_there):
    if is_record_there:
        journal()
        journal.close()
    out.write_bytes(old + torn)
    assert journal().num_answers == 2
    assert out.read_bytes() == old


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
        b'{"photo": "a.jpg", "score": 1}\n',
        b'{"photo": "a.jpg", "score": 1}',
        b'{"photo": "a.j',  # perhaps ours, but nothing proves it
        b'{"photo": "a.jpg", "size_bytes": 1, "mtime_ns": 1, "inode": 1, "sha256": "00"}\n',
        b'[{"photo": "a.jpg"}]',
        b"\0" * 100_000,
        b"[" * 60_000 + b"\n",
        b'{"photo": "a", "size_bytes": Infinity, "mtime_ns": 1, "inode": 1}\n',
        b'{"photo": "' + b"[" * 60_000 + b"\n",
    ],
)
def test_a_file_that_is_no_results_file_is_refused_and_not_touched(journal, out, record, content):
    out.write_bytes(content)
    with pytest.raises(ConfigError, match="line 1 was not written by edgecat watch"):
        journal()
    assert out.read_bytes() == content
    assert not record.exists()


@pytest.mark.parametrize("behind", [b"oops\n", b'{"photo": "a.jpg"}\n', b'{"photo": 1}\n' * 2])
@pytest.mark.parametrize("is_record_there", [False, True])
def test_a_line_behind_ours_that_is_none_is_named(old, journal, out, behind, is_record_there):
    if is_record_there:
        journal()
        journal.close()
    out.write_bytes(old + behind)
    with pytest.raises(ConfigError, match="line 3 was not written"):
        journal()
    assert out.read_bytes() == old + behind


def test_another_file_in_the_place_of_ours_is_refused_and_not_touched(journal, out):
    append(journal())
    journal.close()
    out.write_bytes(b'{"photo": "a.jpg", "score": 1}\n')
    with pytest.raises(ConfigError, match="line 1 was not written"):
        journal()
    assert out.read_bytes() == b'{"photo": "a.jpg", "score": 1}\n'


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda path: path.mkdir(), StorageError),
        (lambda path: os.mkfifo(path), ConfigError),
        (lambda path: path.symlink_to("/dev/full"), ConfigError),
        (lambda path: path.symlink_to("nowhere/results.jsonl"), StorageError),
    ],
)
def test_what_cannot_be_a_results_file_is_refused(journal, out, record, make, error):
    make(out)
    with pytest.raises(error, match=r"results\.jsonl: .*--out"):
        journal()
    assert not record.exists()


def write_foreign_database(path):
    with contextlib.closing(sqlite3.connect(path)) as other:
        other.executescript("PRAGMA journal_mode = WAL; CREATE TABLE diary (entry TEXT);")


@pytest.mark.parametrize(
    "write",
    [
        write_foreign_database,
        lambda path: path.write_text("dear diary\n"),
        lambda path: path.write_bytes(bytes(100)),
    ],
)
def test_another_file_in_the_records_place_is_refused_and_not_touched(journal, record, write):
    write(record)
    before = record.read_bytes()
    with pytest.raises(ConfigError, match="was not written by edgecat watch, which keeps"):
        journal()
    assert record.read_bytes() == before


def test_a_record_of_a_newer_version_is_refused(journal, record):
    journal()
    journal.close()
    with contextlib.closing(sqlite3.connect(record)) as newer:
        newer.execute("PRAGMA user_version = 2")
    with pytest.raises(ConfigError, match="a record of version 2, this edgecat reads version 1"):
        journal()


def test_a_damaged_record_is_named_and_made_again_once_it_is_away(old, journal, out, record):
    journal()
    journal.close()
    data = bytearray(record.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    record.write_bytes(data)
    with pytest.raises(ConfigError, match=r"is damaged .* move it away"):
        append(journal(), "c.jpg")
    journal.close()
    record.unlink()
    append(journal(), "c.jpg")
    assert names(out) == ["a.jpg", "b.jpg", "c.jpg"]


def test_only_one_may_have_it_open(journal, out, folder, said):
    journal()
    for path in (out, out.with_name("link.jsonl")):
        if path != out:
            path.symlink_to(out)
        with pytest.raises(ConfigError, match="another edgecat watch"):
            Journal(JournalPlace(path, folder), said, on_step=lambda: None)
    journal()


def test_nor_when_the_results_file_was_moved_away(journal, out, folder, said):
    journal()
    out.unlink()
    with pytest.raises(ConfigError, match="another edgecat watch has this record"):
        Journal(JournalPlace(out, folder), said, on_step=lambda: None)


# A full disk


@pytest.mark.parametrize("room_bytes", [0, 1, 50])
def test_a_full_disk_keeps_the_line_until_it_is_got_over(journal, out, largest_file, room_bytes):
    opened = journal()
    append(opened, "a.jpg", padding="x" * 100_000)  # longer than the record will be
    whole = out.read_bytes()
    opened.add(photo_of("b.jpg"), {"answer": "x"})
    told = pytest.raises(StorageError, match="nothing is lost")
    with told, largest_file(len(whole) + room_bytes):
        opened.deliver()
    assert out.read_bytes() == whole
    opened.deliver()
    opened.deliver()
    assert names(out) == ["a.jpg", "b.jpg"]


def test_where_the_record_has_no_room_nothing_is_noted(journal, out, largest_file):
    opened = journal()
    with pytest.raises(StorageError, match="nothing is lost"), largest_file(1000):
        append(opened, "a.jpg", padding="x" * 5000)
    assert out.read_bytes() == b""
    assert not opened.has_answered(photo_of("a.jpg"))
    append(opened, "a.jpg")
    assert names(out) == ["a.jpg"]


def test_what_could_not_be_cut_off_at_once_is_not_written_twice(journal, out, monkeypatch):
    """As on a disk that turns read-only between a write and its fsync."""

    def fail(*_):
        raise OSError(30, "Read-only file system")

    opened = journal()
    append(opened, "a.jpg")
    opened.add(photo_of("b.jpg"), {"answer": "x"})
    with monkeypatch.context() as patch, pytest.raises(StorageError):
        patch.setattr(os, "fsync", fail)
        patch.setattr(os, "ftruncate", fail)
        opened.deliver()
    opened.deliver()
    append(opened, "c.jpg")
    assert names(out) == ["a.jpg", "b.jpg", "c.jpg"]
