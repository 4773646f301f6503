"""Results that are rotated, by whomever and whenever, and a process that is killed meanwhile.

Photos are answered once in the union of all files that the results went to.
"""

import bz2
import gzip
import hashlib
import json
import lzma
import os
import shutil
import signal
from collections import Counter

import pytest

from edgecat.errors import ConfigError
from edgecat.watch.journal import Journal, JournalPlace
from edgecat.watch.photo import Photo, Stamp, format_line
from edgecat.watch.results import ResultsFile

NAMES = [f"{number}.jpg" for number in range(6)]
OPENERS = {".bz2": bz2.open, ".xz": lzma.open}


class Said(list):
    say = list.append


def open_journal(out, said=None, **options):
    place = JournalPlace(out, out.parent / "in", **options)
    return Journal(place, Said() if said is None else said, on_step=lambda: None)


def photo_of(name):
    return Photo(name, Stamp(1, 1, 1, 1), hashlib.sha256(name.encode()).digest())


def answer(journal, name):
    """Answer a photo unless it is done, as `watch` does."""
    if not journal.has_answered(photo_of(name)):
        journal.add(photo_of(name), {"answer": "x"})
    journal.deliver()


def count_answers(out):
    """Count the lines of each photo in all files of the results."""
    lines = []
    for path in out.parent.iterdir():
        if path.name.startswith("results") and ".done.sqlite" not in path.name:
            opener = gzip.open if ".gz" in path.name else OPENERS.get(path.suffix, open)
            with opener(path, "rt") as file:
                lines += file.readlines()
    return Counter(json.loads(line)["photo"] for line in lines)


ONCE = dict.fromkeys(NAMES, 1)


# Ways to rotate


def rename(out):
    out.rename(out.with_name("results.jsonl.1"))


def rename_and_create(out):
    rename(out)
    out.touch()


def rename_by_date(out):
    out.rename(out.with_name("results-20261128.jsonl"))


def pack(path, opener, ending):
    with path.open("rb") as file, opener(f"{path}{ending}", "wb") as packed:
        shutil.copyfileobj(file, packed)
    shutil.copystat(path, f"{path}{ending}")
    path.unlink()


def rename_and_pack(out):
    rename(out)
    pack(out.with_name("results.jsonl.1"), gzip.open, ".gz")


def rename_by_date_and_pack(out):
    rename_by_date(out)
    pack(out.with_name("results-20261128.jsonl"), lzma.open, ".xz")


def rename_and_pack_under_an_odd_name(out):
    """As logrotate does to a file that is in its way."""
    rename_and_pack(out)
    out.with_name("results.jsonl.1.gz").rename(out.with_name("results.jsonl.1.gz-2026.backup"))


def copytruncate(out):
    shutil.copy(out, out.with_name("results.jsonl.1"))
    os.truncate(out, 0)


def copytruncate_and_pack(out):
    copytruncate(out)
    pack(out.with_name("results.jsonl.1"), bz2.open, ".bz2")


ROTATIONS = [
    rename,
    rename_and_create,
    rename_by_date,
    rename_and_pack,
    rename_by_date_and_pack,
    rename_and_pack_under_an_odd_name,
    copytruncate,
    copytruncate_and_pack,
]


@pytest.mark.parametrize("rotate", ROTATIONS)
def test_while_it_runs_rotation_is_told_and_nothing_is_answered_again(out, rotate):
    said = Said()
    journal = open_journal(out, said)
    for name in NAMES[:3]:
        answer(journal, name)
    rotate(out)
    for name in NAMES:
        answer(journal, name)
    journal.close()
    assert count_answers(out) == ONCE
    assert len(said) == 1
    assert ("was truncated" if "copy" in rotate.__name__ else "was moved away") in said[0]
    assert "What is done stays known" in said[0]


@pytest.mark.parametrize("rotate", ROTATIONS)
def test_while_it_does_not_run_too(out, rotate):
    for part in (NAMES[:3], NAMES):
        journal = open_journal(out)
        for name in part:
            answer(journal, name)
        journal.close()
        if part != NAMES:
            rotate(out)
    assert count_answers(out) == ONCE


@pytest.mark.parametrize("take_away", [os.remove, lambda out: os.truncate(out, 0)])
def test_what_was_taken_away_is_not_written_again(out, take_away):
    journal = open_journal(out)
    for name in NAMES[:3]:
        answer(journal, name)
    take_away(out)
    for name in NAMES:
        answer(journal, name)
    journal.close()
    journal = open_journal(out)
    journal.deliver()
    journal.close()
    assert count_answers(out) == dict.fromkeys(NAMES[3:], 1)


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("rotate", ROTATIONS)
def test_rotation_between_two_steps_of_a_line(out, rotate, moment, monkeypatch):
    """Before the line is written, behind the look at the file; or behind the line."""
    journal = open_journal(out)
    for name in NAMES[:3]:
        answer(journal, name)
    append = ResultsFile.append

    def append_and_rotate(self, line):
        monkeypatch.setattr(ResultsFile, "append", append)
        if moment == "before":
            rotate(out)
        append(self, line)
        if moment == "after":
            rotate(out)

    monkeypatch.setattr(ResultsFile, "append", append_and_rotate)
    for name in NAMES[3:]:
        answer(journal, name)
    journal.close()
    assert count_answers(out) == ONCE


@pytest.mark.parametrize("is_restarted", [False, True])
@pytest.mark.parametrize("truncated_at", range(len(NAMES) + 1))
@pytest.mark.parametrize("copied_at", range(len(NAMES) + 1))
def test_lines_between_a_copy_and_its_truncation_are_written_once_more(
    out, copied_at, truncated_at, is_restarted
):
    if copied_at > truncated_at:
        return
    journal = open_journal(out)
    for number in range(len(NAMES) + 1):
        if number == copied_at:
            shutil.copy(out, out.with_name("results.jsonl.1"))
        if number == truncated_at:
            os.truncate(out, 0)
            if is_restarted:
                journal.close()
                journal = open_journal(out)
            journal.deliver()
        if number < len(NAMES):
            answer(journal, NAMES[number])
    journal.close()
    expected = Counter(NAMES)
    if copied_at == 0:  # an empty copy proves nothing: that may be somebody's own truncation
        expected = Counter(NAMES[truncated_at:])
    assert count_answers(out) == expected


# Killed at each step


def kill_at(step, out):
    """Answer two photos in a process that is killed after so many calls; return if it was."""
    child = os.fork()
    if child:
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert code in (0, -signal.SIGKILL)
        return code != 0
    calls = iter(range(step))
    try:
        for name in ("write", "fsync", "fstat", "open"):
            setattr(os, name, kill_after(calls, getattr(os, name)))
        journal = open_journal(out)
        for name in NAMES[3:5]:
            answer(journal, name)
    finally:
        os._exit(0)


def kill_after(calls, function):
    def call(*arguments, **options):
        if next(calls, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **options)

    return call


@pytest.mark.slow  # starts processes and kills them
@pytest.mark.parametrize("rotate", [None, *ROTATIONS])
def test_killed_before_any_step_and_rotated_meanwhile_each_is_answered_once(tmp_path, rotate):
    for step in range(40):
        out = tmp_path / str(step) / "results.jsonl"
        out.parent.mkdir()
        journal = open_journal(out)
        for name in NAMES[:3]:
            answer(journal, name)
        journal.close()
        is_killed = kill_at(step, out)
        if rotate:
            rotate(out)
        journal = open_journal(out)
        for name in NAMES:
            answer(journal, name)
        journal.close()
        assert count_answers(out) == ONCE, step
    assert not is_killed  # the last one came to its end: all steps were tried


@pytest.mark.parametrize(
    ("num_bytes", "num_zeros"), [(1, 0), (12, 0), (12, 50), (100, 0), (0, 100), (10_000, 0)]
)
def test_the_beginning_of_a_line_that_was_to_be_written_is_cut_off_even_if_it_is_the_first(
    out, num_bytes, num_zeros
):
    journal = open_journal(out)
    journal.add(photo_of(NAMES[0]), {"answer": "x"})
    journal.close()
    line = format_line(photo_of(NAMES[0]), {"answer": "x"})
    out.write_bytes(line[:num_bytes] + bytes(num_zeros))
    journal = open_journal(out)
    for name in NAMES:
        answer(journal, name)
    journal.close()
    assert count_answers(out) == ONCE


# By itself


def test_a_file_of_the_size_to_rotate_at_is_numbered_and_stays(out):
    said = Said()
    journal = open_journal(out, said, rotate_bytes=400)
    for name in NAMES:
        answer(journal, name)
    journal.close()
    rotated = sorted(path.name for path in out.parent.glob("results.jsonl.0*"))
    assert rotated == ["results.jsonl.000001", "results.jsonl.000002"]
    assert count_answers(out) == ONCE
    assert said == [f"{out}: begun anew; what it had is in {name}" for name in rotated]
    journal = open_journal(out, rotate_bytes=1)
    answer(journal, "more.jpg")
    assert out.with_name("results.jsonl.000003").exists()
    journal.close()


def test_a_new_file_that_is_another_ones_is_refused_and_not_touched(out):
    journal = open_journal(out)
    answer(journal, NAMES[0])
    out.unlink()
    out.write_text("dear diary\n")
    with pytest.raises(ConfigError, match="line 1 was not written by edgecat watch"):
        answer(journal, NAMES[1])
    journal.close()
    assert out.read_text() == "dear diary\n"
    out.unlink()
    journal = open_journal(out)  # the line was kept
    journal.deliver()
    journal.close()
    assert count_answers(out) == {NAMES[1]: 1}
