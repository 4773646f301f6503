import pytest

pytest.importorskip("torch", reason="needs torch (edgecat[train])")

from edgecat.cli.main import _run
from edgecat.demo.walk import _clear, walk
from edgecat.errors import ConfigError, DatasetError
from edgecat.progress import Silent


def names(folder):
    return [path.name for path in folder.iterdir()]


def test_a_folder_is_made_where_there_is_none(tmp_path):
    _clear(tmp_path / "a" / "b")
    assert names(tmp_path / "a" / "b") == [".edgecat-demo"]


def test_an_empty_folder_is_taken(tmp_path):
    _clear(tmp_path)
    assert names(tmp_path) == [".edgecat-demo"]


def test_what_an_earlier_demo_left_is_replaced(tmp_path):
    _clear(tmp_path)
    (tmp_path / "drawings").mkdir()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text("{}")
    (tmp_path / "demo.edgecat").mkdir()
    (tmp_path / "demo.edgecat" / "bundle.json").write_text("{}")
    (tmp_path / "benchmark.json").write_text("{}")
    _clear(tmp_path)
    assert names(tmp_path) == [".edgecat-demo"]


def test_what_a_demo_was_writing_when_it_was_killed_is_replaced(tmp_path):
    _clear(tmp_path)
    (tmp_path / ".demo.edgecat.1a2b3c.unfinished").mkdir()
    (tmp_path / ".benchmark.json.4d5e6f.unfinished").write_text("{")
    _clear(tmp_path)
    assert names(tmp_path) == [".edgecat-demo"]


def test_a_demo_that_is_killed_while_it_removes_an_earlier_one_is_replaced(tmp_path, monkeypatch):
    def remove_some_and_die(folder):
        """Files go in any order: here first the one that says that a demo wrote them."""
        (folder / ".edgecat-demo").unlink(missing_ok=True)
        raise KeyboardInterrupt

    _clear(tmp_path)
    (tmp_path / "drawings").mkdir()
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("shutil.rmtree", remove_some_and_die)
        _clear(tmp_path)
    _clear(tmp_path)
    assert names(tmp_path) == [".edgecat-demo"]


@pytest.mark.parametrize(
    "files",
    [
        ["holiday.jpg"],
        ["drawings/0.jpg", "holiday.jpg"],
        ["run/run.json", ".git/HEAD"],
        ["run/my marathon.txt"],
        ["drawings/my art.jpg"],
        ["benchmark.json"],
    ],
)
def test_a_folder_with_strangers_is_refused_and_left_alone(tmp_path, files):
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("mine")
    with pytest.raises(ConfigError, match="give --out another name"):
        _clear(tmp_path)
    assert all((tmp_path / name).read_text() == "mine" for name in files)


def test_a_demo_on_no_data_set_says_so_before_any_work(tmp_path):
    (tmp_path / "photos").mkdir()
    with pytest.raises(DatasetError, match="no photos"):
        walk(tmp_path / "out", tmp_path / "photos", Silent())


def test_photos_inside_the_folder_to_write_are_not_removed(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text("{}")
    (tmp_path / "drawings" / "a").mkdir(parents=True)
    (tmp_path / "drawings" / "a" / "0.jpg").write_text("mine")
    with pytest.raises((ConfigError, DatasetError)):
        walk(tmp_path, tmp_path / "drawings", Silent())
    assert (tmp_path / "drawings" / "a" / "0.jpg").exists()


@pytest.mark.parametrize("kind", ["file", "link"])
def test_a_place_that_is_no_folder_is_refused(tmp_path, kind):
    if kind == "file":
        (tmp_path / "out").touch()
    else:
        (tmp_path / "real").mkdir()
        (tmp_path / "out").symlink_to("real")
    with pytest.raises(ConfigError):
        _clear(tmp_path / "out")


def test_what_photos_are_called_does_nothing_to_a_terminal(monkeypatch, capsys):
    monkeypatch.setattr("edgecat.demo.walk.walk", lambda *_: "  edgecat predict x a\x1b[2J.jpg\n")
    assert _run(["demo"]) == 0
    assert capsys.readouterr().out == "  edgecat predict x a\\x1b[2J.jpg\n\n"
