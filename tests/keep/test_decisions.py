"""The file of decisions: what is read of it, and what is refused."""

import pytest

from edgecat.errors import DatasetError
from edgecat.keep.decisions import Decision, format_decision, read_decisions, settle

A, B, C = ("a" * 64, "b" * 64, "c" * 64)
TIME = "2026-11-28T10:20:30.000+00:00"
LABELS = ["Siamese", "<script>alert(1)</script>", 'it\'s "a"', "a/b", "#1", "C++", "고양이"]


def label(sha256, text="Siamese"):
    return Decision(sha256, "label", TIME, text)


@pytest.mark.parametrize("text", LABELS)
def test_any_label_comes_back_as_it_was(tmp_path, text):
    file = tmp_path / "decisions.jsonl"
    file.write_bytes(format_decision(label(A, text)))
    assert read_decisions(file).decisions == (label(A, text),)


def test_no_file_is_no_decision(tmp_path):
    assert read_decisions(tmp_path / "decisions.jsonl").decisions == ()


def test_a_file_cut_off_anywhere_is_taken_up_to_that_line(tmp_path):
    file, lines = tmp_path / "decisions.jsonl", [format_decision(label(sha)) for sha in (A, B)]
    whole = b"".join(lines)
    ends = [len(lines[0]) - 1, len(whole) - 1]  # of the text of a line, without its newline
    for size in range(len(whole) + 1):
        file.write_bytes(whole[:size])
        found = read_decisions(file)
        num_whole = sum(size >= end for end in ends)
        assert len(found.decisions) == num_whole
        assert found.torn == whole[found.num_bytes : size]
        assert found.is_open == (size in ends)


def test_the_last_decision_holds_and_can_be_taken_back():
    undo, skip = Decision(A, "undo", TIME), Decision(B, "skip", TIME)
    assert settle([label(A), label(A, "Persian")]) == {A: label(A, "Persian")}
    assert settle([label(A), label(B), undo, skip]) == {B: skip}
    assert [*settle([label(A), label(B), label(C), label(A)])] == [B, C, A]


@pytest.mark.parametrize(
    "line",
    [
        "edited by hand",
        "{}",
        f'{{"sha256": "{A}", "kind": "label", "time": "{TIME}"}}',
        f'{{"sha256": "{A}", "kind": "skip", "time": "{TIME}", "label": "x"}}',
        f'{{"sha256": "{A}", "kind": "burn", "time": "{TIME}"}}',
        f'{{"sha256": "../../etc/passwd", "kind": "skip", "time": "{TIME}"}}',
        f'{{"sha256": "{A}", "kind": "label", "kind": "skip", "time": "{TIME}"}}',
        "[" * 5000,
    ],
)
def test_a_whole_line_that_is_no_decision_is_refused_by_its_number(tmp_path, line):
    file = tmp_path / "decisions.jsonl"
    file.write_bytes(format_decision(label(A)) + line.encode() + b"\n" + format_decision(label(B)))
    with pytest.raises(DatasetError, match="line 2") as refused:
        read_decisions(file)
    assert "mend or remove it" in str(refused.value)


def test_keys_of_a_newer_version_and_empty_lines_are_passed_over(tmp_path):
    file = tmp_path / "decisions.jsonl"
    line = f'{{"sha256": "{A}", "kind": "skip", "time": "{TIME}", "by": "Ada"}}\n\n'
    file.write_text(line)
    assert read_decisions(file).decisions == (Decision(A, "skip", TIME),)
