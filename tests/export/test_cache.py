"""A stage's result is taken from the cache only if it is whole and from the very same inputs."""

import dataclasses
import shutil

import pytest

pytest.importorskip("torch", reason="needs edgecat[train]")

from edgecat.export.cache import StageCache, describe_setting
from edgecat.progress import Silent


@dataclasses.dataclass(frozen=True)
class Part:
    size_px: int
    ratios: tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class Made:
    """A result with all that the stages' results have: files, nested values, exact floats."""

    files: tuple[bytes, ...]
    part: Part
    counts: dict[str, int]


RESULT = Made((b"graph" * 100, b""), Part(3, (0.1, 1 / 3)), {"a pass": 2})
INPUTS = {"weights": "1f", "recipe": {"title": "a", "cuts": True}, "photos": [1, 2]}
SETTING = {"version of the cache": 1, "onnx": "1.19.0", "cpu": "a"}


class Told(Silent):
    def __init__(self):
        self.lines = []

    def say(self, line):
        self.lines.append(line)


class Stage:
    """A stage that counts how often it really worked."""

    def __init__(self, folder):
        self.folder, self.num_made, self.told = folder, 0, Told()

    def recall(self, inputs=INPUTS, setting=SETTING, name="ONNX graph"):
        def make():
            self.num_made += 1
            return RESULT

        self.told.lines.clear()
        return StageCache(self.folder, setting, self.told).recall(name, inputs, Made, make)

    def entry(self):
        (file,) = self.folder.iterdir()
        return file


@pytest.fixture
def stage(tmp_path):
    """One whose result is kept already."""
    stage = Stage(tmp_path / "cache")
    assert stage.recall() == RESULT
    assert stage.told.lines == []
    return stage


def test_what_was_made_is_taken_exactly_as_it_was(stage):
    assert stage.recall() == RESULT
    assert stage.num_made == 1
    assert stage.told.lines == ["ONNX graph: taken from the cache"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:7],
        lambda data: data[:-1],
        lambda data: data[: len(data) // 2],
        lambda data: data + b"x",
        lambda data: b"\xff" * len(data),
        lambda data: b"PK\x03\x04 something else",
        lambda data: data.replace(b"graphgraph", b"graphGraph", 1),
        lambda data: data.replace(b'"a pass": 2', b'"a pass": 3'),
    ],
    ids=["empty", "cut in the header", "cut by a byte", "cut in half", "longer", "ones", "foreign",
         "a byte of a file", "a value"],
)  # fmt: skip
def test_a_damaged_entry_is_made_again_and_told(stage, damage):
    whole = stage.entry().read_bytes()
    stage.entry().write_bytes(damage(whole))
    assert stage.recall() == RESULT
    assert stage.num_made == 2
    (line,) = stage.told.lines
    assert "ONNX graph: made again" in line
    assert "damaged" in line
    assert stage.entry().read_bytes() == whole


def test_no_flipped_byte_gives_another_result(stage):
    whole = stage.entry().read_bytes()
    for place in range(0, len(whole), 7):
        stage.entry().write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert stage.recall() == RESULT
        assert stage.entry().read_bytes() == whole


@pytest.mark.parametrize(
    ("inputs", "setting", "changed"),
    [
        (INPUTS | {"weights": "2e"}, SETTING, "weights"),
        (INPUTS | {"recipe": {"title": "a", "cuts": False}}, SETTING, "recipe"),
        (INPUTS, SETTING | {"version of the cache": 2}, "version of the cache"),
        (INPUTS, SETTING | {"onnx": "1.20.0"}, "onnx"),
        (INPUTS | {"weights": "2e"}, SETTING | {"cpu": "b"}, "cpu, weights"),
    ],
)
def test_other_inputs_are_made_anew_and_the_old_entry_goes(stage, inputs, setting, changed):
    old = stage.entry()
    assert stage.recall(inputs, setting) == RESULT
    assert stage.num_made == 2
    (line,) = stage.told.lines
    assert line.startswith("ONNX graph: made again")
    assert line.endswith(f"other inputs: {changed}")
    assert stage.entry() != old


def test_an_entry_of_another_run_under_this_ones_name_is_not_believed(stage, tmp_path):
    other = Stage(tmp_path / "other")
    other.recall(INPUTS | {"weights": "2e"})
    shutil.copy(other.entry(), stage.entry())
    assert stage.recall() == RESULT
    assert stage.num_made == 2
    assert stage.told.lines[0].endswith("from other inputs: weights")


def test_each_stage_has_an_entry_of_its_own(stage):
    for name in ("ONNX graph, distillation", "onnx"):
        stage.recall(name=name)
    assert len(list(stage.folder.iterdir())) == 3
    stage.recall()
    assert stage.num_made == 3


def test_an_entry_that_is_a_link_is_not_followed(stage, tmp_path):
    file = stage.entry()
    file.rename(tmp_path / "elsewhere")
    file.symlink_to(tmp_path / "elsewhere")
    assert stage.recall() == RESULT
    assert stage.num_made == 2
    assert not file.is_symlink()


def test_a_full_disk_costs_the_entry_and_not_the_export(tmp_path, largest_file):
    stage = Stage(tmp_path / "cache")
    with largest_file(64):
        assert stage.recall() == RESULT
    assert "not kept" in stage.told.lines[0]
    assert list(stage.folder.iterdir()) == []


def test_a_cache_that_is_no_folder_costs_the_entry_and_not_the_export(tmp_path):
    (tmp_path / "cache").write_text("mine")
    stage = Stage(tmp_path / "cache")
    assert stage.recall() == RESULT
    assert "not kept" in stage.told.lines[-1]
    assert (tmp_path / "cache").read_text() == "mine"


def test_the_setting_names_versions_machine_and_threads():
    setting = describe_setting()
    assert {"onnxruntime", "openvino", "torch", "edgecat", "cpu", "features"} <= set(setting)
