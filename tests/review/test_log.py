"""Decisions are on the disk before anybody is told so, whatever happens to the file."""

import contextlib
import os

import pytest

from edgecat.errors import ConfigError, DatasetError, StorageError
from edgecat.keep.decisions import Decision, format_decision, read_decisions
from edgecat.review.log import DecisionLog

A, B = "a" * 64, "b" * 64
TIME = "2026-11-28T10:20:30.000+00:00"


def label(sha256, text="Siamese"):
    return Decision(sha256, "label", TIME, text)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "decisions.jsonl"


@pytest.fixture
def said():
    return []


@pytest.fixture
def open_log(path, said):
    logs = []

    def open_one():
        logs.append(DecisionLog(path, said.append))
        return logs[-1]

    yield open_one
    for log in logs:
        log.close()


def test_a_decision_is_in_the_file_at_once_and_found_again(open_log, path, said):
    with contextlib.closing(DecisionLog(path, said.append)) as log:
        for sha256 in (A, B):
            log.append(label(sha256))
            assert read_decisions(path).decisions[-1] == label(sha256)
    assert open_log().before.decisions == (label(A), label(B))


def test_a_torn_line_is_cut_off_and_told_and_lines_go_on_behind_it(open_log, path, said):
    path.write_bytes(format_decision(label(A)) + format_decision(label(B))[:-20])
    open_log().append(label(B, "Persian"))
    assert read_decisions(path).decisions == (label(A), label(B, "Persian"))
    assert "cut off" in said[0] and "1 decisions stand before it" in said[0]


def test_a_last_line_without_its_end_is_whole(open_log, path, said):
    path.write_bytes(format_decision(label(A)).rstrip(b"\n"))
    open_log().append(label(B))
    assert read_decisions(path).decisions == (label(A), label(B))
    assert said == []


def test_a_second_process_is_refused(open_log):
    open_log()
    with pytest.raises(ConfigError, match="another edgecat review has it open"):
        open_log()


def test_a_bad_line_is_refused_and_the_file_stays_as_it_is(open_log, path):
    data = b"edited by hand\n" + format_decision(label(A))
    path.write_bytes(data)
    with pytest.raises(DatasetError, match="line 1"):
        open_log()
    assert path.read_bytes() == data


@pytest.mark.parametrize("change", ["replaced", "removed", "longer", "shorter"])
def test_a_file_that_somebody_changes_meanwhile_is_not_written(open_log, path, change):
    log = open_log()
    log.append(label(A))
    data = path.read_bytes()
    if change == "replaced":
        path.rename(path.with_suffix(".old"))
        path.write_bytes(data)
    elif change == "removed":
        path.unlink()
    else:
        path.write_bytes(data + b"\n" if change == "longer" else data[:-1])
    before = path.read_bytes() if path.exists() else None
    with pytest.raises(StorageError, match="changed by somebody else"):
        log.append(label(B))
    assert (path.read_bytes() if path.exists() else None) == before


def test_on_a_full_disk_a_decision_does_not_count_and_the_next_one_does(
    open_log, path, largest_file
):
    log = open_log()
    log.append(label(A))
    with (
        largest_file(path.stat().st_size + 50),
        pytest.raises(StorageError, match="does not count"),
    ):
        log.append(label(B))
    assert read_decisions(path).decisions == (label(A),)
    assert read_decisions(path).torn == b""
    log.append(label(B))
    assert read_decisions(path).decisions == (label(A), label(B))


def test_a_disk_that_became_read_only_is_told(open_log, path):
    log = open_log()
    log.append(label(A))
    with path.open("rb") as file:  # nothing can be written to it, and nothing cut off
        os.dup2(file.fileno(), log._descriptor)
        with pytest.raises(StorageError, match="does not count"):
            log.append(label(B))
    assert read_decisions(path).decisions == (label(A),)


def test_a_folder_that_may_not_be_written_is_told(tmp_path):
    with pytest.raises((StorageError, OSError)):
        DecisionLog(tmp_path / "none" / "decisions.jsonl", print)
