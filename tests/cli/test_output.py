"""What commands print for machines, and into logs."""

import json
import os

import pytest
from PIL import Image

from edgecat.cli import output
from edgecat.cli.main import _run
from edgecat.cli.options import NewFile
from edgecat.cli.output import TerminalProgress, print_json, show
from edgecat.errors import ConfigError, EdgecatError, StorageError

VALUE = {"answer": "Bündner Katze", "top": [{"probability": 0.1}]}


def test_json_is_what_went_in_and_readable(capsys):
    for is_line in (True, False):
        print_json(VALUE, is_line=is_line)
        text = capsys.readouterr().out
        assert json.loads(text) == VALUE
        assert "Bündner" in text
        assert (text.count("\n") == 1) == is_line


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_a_number_that_is_not_finite_is_an_error_and_not_printed(number, capsys):
    for is_line in (True, False):
        with pytest.raises(EdgecatError):
            print_json({"top": [{"probability": number}]}, is_line=is_line)
    assert capsys.readouterr().out == ""


def test_names_do_nothing_to_a_terminal(tmp_path, capsys):
    names = [tmp_path / "a\x1b[31m.png", tmp_path / "b\x1b]0;title\x07.png"]
    Image.new("RGB", (300, 300)).save(names[0])
    names[1].write_text("no photo")
    paths = [str(name) for name in names]
    TerminalProgress().say(f"left out: {paths[0]}")
    assert _run(["predict", "cats12", *paths]) == 4
    assert _run(["explain", "cats12", *paths, "--out", str(tmp_path / "heat")]) == 4
    assert _run(["embed", "cats12", *paths, "--out", str(tmp_path / "f.npy")]) == 4
    told = "".join(capsys.readouterr())
    assert told.count("a\\x1b[31m.png") >= 3
    assert told.count("b\\x1b]0;title\\x07.png") == 3
    assert "\x1b" not in told


def test_a_log_has_a_line_now_and_then_that_says_what_is_left(monkeypatch, capsys):
    monkeypatch.setattr(output, "_SECONDS_A_LINE", 0.0)
    with TerminalProgress().phase("teacher's answers", 3) as step:
        for _ in range(3):
            step()
    assert capsys.readouterr().err.splitlines() == [
        "teacher's answers: 1 of 3, 0 s left",
        "teacher's answers: 2 of 3, 0 s left",
    ]


def test_a_phase_that_is_soon_over_says_nothing_in_a_log(capsys):
    with TerminalProgress().phase("photos", 2) as step:
        step()
    assert capsys.readouterr().err == ""


def test_a_result_that_cannot_be_written_is_told_all_the_same(tmp_path, capsys):
    with pytest.raises(StorageError):
        show(VALUE, "an hour's table", tmp_path / "removed meanwhile" / "result.json")
    assert capsys.readouterr().out == "an hour's table\n"


def test_nothing_but_a_plain_file_is_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")  # for root, /dev/null is no other
    (tmp_path / "stdout").symlink_to("pipe")  # as /dev/stdout is
    for name in ("pipe", "stdout"):
        with pytest.raises(ConfigError, match=r"no plain file.*- for standard output"):
            NewFile(allow_dash=True).convert(str(tmp_path / name), None, None)
    (tmp_path / "latest").symlink_to("today.json")
    assert NewFile().convert(str(tmp_path / "latest"), None, None) == tmp_path / "today.json"


def test_a_folder_that_is_closed_is_told_before_the_work_is_done(tmp_path, monkeypatch):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    for above in list(closed.parents)[:3]:
        above.chmod(0o755)
    monkeypatch.chdir(closed)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)  # root may write everywhere; nobody may not
    try:
        with pytest.raises(ConfigError, match=f"you may not write into {closed}"):
            NewFile().convert(str(closed / "result.json"), None, None)
        assert str(NewFile(allow_dash=True).convert("-", None, None)) == "-"
    finally:
        if root:
            os.seteuid(0)
