"""The command, on the released bundle: what it prints, writes and refuses."""

import json
import os
import re

import pytest
from click.testing import CliRunner

from edgecat.cli import main as cli_main
from edgecat.errors import ConfigError, DatasetError
from edgecat.photos.folder import load_folder, load_training_folder
from edgecat.photos.photo_list import load_list


@pytest.fixture
def run():
    """A function that runs `edgecat audit`; an error that it ends with is raised."""

    def run_command(*arguments):
        done = CliRunner().invoke(
            cli_main.cli, ["audit", *map(str, arguments), "--bundle", "cats12"]
        )
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done

    return run_command


@pytest.fixture
def spoiled(hues):
    """Photos of which one is broken, and one in doubt and with an odd name."""
    (hues / "red" / "broken.jpg").write_bytes(b"no photo")
    (hues / "red" / "0.jpg").rename(hues / "blue" / "#odd\n<b>.jpg")
    return hues


def test_the_table_has_a_line_for_each_check(run, hues):
    lines = run(hues).stdout.splitlines()
    assert lines[0] == "unreadable files          none"
    assert len(lines) == 15


def test_the_last_line_says_what_to_do_next(run, hues, tmp_path):
    clean = run(hues)
    assert clean.stderr.endswith(f"next: edgecat finetune {hues} --out runs/first\n")
    (hues / "red" / "broken.jpg").write_bytes(b"no photo")
    look = "next: the same with --html sheet.html to look, and --apply clean.txt for finetune\n"
    assert run(hues).stderr.endswith(look)
    listed = run(hues, "--apply", tmp_path / "list")
    learn = f"next: edgecat finetune {hues} --out runs/clean --list {tmp_path / 'list'}\n"
    assert listed.output.endswith(learn)


def test_a_name_is_told_from_what_is_said_of_it(run, spoiled):
    assert f"\n{' ' * 26}red/broken.jpg: not a photo;" in run(spoiled).stdout


def test_json_has_everything_and_a_place_in_the_ranking_for_each_photo(run, spoiled):
    told = json.loads(run(spoiled, "--json").stdout)
    assert told["num_photos"] == 25
    assert told["classes"] == {"blue": 9, "green": 8, "red": 8}
    (finding,) = told["checks"]["unreadable"]["findings"]
    assert finding["photos"] == finding["left_out"] == ["red/broken.jpg"]
    ranking = told["label_ranking"]
    assert [row["probability"] for row in ranking] == sorted(r["probability"] for r in ranking)
    assert len(ranking) == 24


def test_the_list_is_one_that_finetune_takes_and_no_photo_is_touched(run, spoiled, tmp_path):
    (spoiled / "green/1.jpg").rename(spoiled / os.fsdecode(b"green/latin-\xe9.jpg"))
    before = {path: path.stat().st_mtime_ns for path in spoiled.rglob("*")}
    run(spoiled, "--apply", tmp_path / "list")
    assert {path: path.stat().st_mtime_ns for path in spoiled.rglob("*")} == before
    folder = load_folder(spoiled)
    kept = {folder.path_of(photo) for photo in folder.photos} - {"red/broken.jpg"}
    assert set(load_list(tmp_path / "list")) == kept
    assert len(load_training_folder(spoiled, tmp_path / "list").photos) == 24


def test_what_was_left_out_comes_back_when_its_number_sign_is_taken_away(run, spoiled, tmp_path):
    run(spoiled, "--apply", tmp_path / "list")
    text = (tmp_path / "list").read_bytes()
    (tmp_path / "list").write_bytes(text.replace(b"# red/broken.jpg", b"red/broken.jpg"))
    assert len(load_folder(spoiled, tmp_path / "list").photos) == 25


@pytest.mark.parametrize("option", ["--apply", "--list"])
def test_the_sheet_is_not_written_over_the_list(run, hues, tmp_path, option):
    if option == "--list":
        (tmp_path / "list").write_text("red/1.jpg\n")
    with pytest.raises(ConfigError, match=r"--html .*: the list is of this name"):
        run(hues, option, tmp_path / "list", "--html", tmp_path / "list")
    assert option == "--apply" or (tmp_path / "list").read_text() == "red/1.jpg\n"


def test_an_edited_list_is_not_overwritten(run, hues, tmp_path):
    (tmp_path / "list").write_text("red/1.jpg\n")
    with pytest.raises(ConfigError, match="exists, maybe edited by you; give another name"):
        run(hues, "--apply", tmp_path / "list")
    assert (tmp_path / "list").read_text() == "red/1.jpg\n"


@pytest.mark.parametrize("option", ["--apply", "--html"])
def test_nothing_is_written_among_the_photos(run, hues, option):
    with pytest.raises(ConfigError, match="lies among the photos"):
        run(hues, option, hues / "red" / "1.jpg")


def test_a_list_is_audited_alone(run, hues, tmp_path):
    (tmp_path / "some").write_text("red/1.jpg\nblue/2.jpg\n")
    told = json.loads(run(hues, "--list", tmp_path / "some", "--json").stdout)
    assert told["num_photos"] == 2


def test_a_folder_that_is_none_is_refused(run, tmp_path):
    with pytest.raises(DatasetError, match="no such folder"):
        run(tmp_path / "nowhere")


def test_names_do_nothing_to_a_terminal(run, hues):
    (hues / "red" / "\x1b[2J.jpg").write_bytes(b"")
    assert not re.search(r"\x1b", run(hues).stdout)
