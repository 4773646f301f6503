"""What a report can be made of, and what is refused."""

import json
import shutil

import pytest

from edgecat.bundle.archive import pack_bundle
from edgecat.errors import BundleError, ConfigError, TrainError
from edgecat.report.sources import load_sources
from edgecat.train.history import read_metrics
from edgecat.train.recipe import Recipe
from tests.report.conftest import write_rated_bundle, write_results, write_run


@pytest.fixture
def bundle(tmp_path):
    return write_rated_bundle(tmp_path, {"other.onnx": b"no model either"})


def test_a_run_a_bundle_and_results_are_told_apart(tmp_path, bundle):
    run = write_run(tmp_path / "run")
    result = write_results(tmp_path / "result.json")
    sources = load_sources([str(result), str(bundle), str(run), str(result)])
    assert sources.run.record.seed == 3
    assert [row["epoch"] for row in sources.run.history] == [1, 2, 3]
    assert sources.bundle.spec.name == "bundle"
    assert len(sources.results) == 2


def test_a_released_model_is_found_by_its_name():
    assert len(load_sources(["cats12"]).bundle.spec.labels) == 12


def test_a_run_that_has_not_begun_its_epochs_has_none(tmp_path):
    run = write_run(tmp_path / "run", outcome=None)
    (run / "metrics.csv").unlink()
    assert load_sources([str(run)]).run.history == ()


@pytest.mark.parametrize("name", ["nowhere", "empty", "photo.jpg"])
def test_anything_else_is_refused_with_what_is_accepted(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(ConfigError, match=name) as refused:
        load_sources([name])
    assert "edgecat" in str(refused.value)
    assert "unpack" not in str(refused.value)


def test_of_a_packed_bundle_it_is_said_how_to_unpack_it(tmp_path, bundle):
    pack_bundle(bundle, tmp_path / "b.zip")
    with pytest.raises(ConfigError, match=r"b\.zip: a zip file; .*edgecat bundle unpack"):
        load_sources([str(tmp_path / "b.zip")])


def test_two_runs_or_two_bundles_are_refused(tmp_path, bundle):
    runs = [str(write_run(tmp_path / name)) for name in ("a", "b")]
    with pytest.raises(ConfigError, match="a report is of one run"):
        load_sources(runs)
    with pytest.raises(ConfigError, match="a report is of one bundle"):
        load_sources([str(bundle), "cats12"])


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"seed": 4}, "seed differ"),
        ({"labels": ("a", "b")}, "labels differ"),
        ({"arch": "mobilenet_v3_large"}, "arch differ"),
    ],
)
def test_a_bundle_of_another_run_is_refused(tmp_path, bundle, changes, told):
    run = write_run(tmp_path / "run", **changes)
    with pytest.raises(ConfigError, match=told):
        load_sources([str(run), str(bundle)])


def test_a_bundle_of_another_recipe_is_refused(tmp_path):
    origin = {"seed": 3, "recipe": {"epochs": Recipe().epochs + 1, "gone_since": 1}}
    bundle = write_rated_bundle(tmp_path, {"other.onnx": b""}, provenance=origin)
    run = write_run(tmp_path / "run")
    with pytest.raises(ConfigError, match="recipe's epochs differ"):
        load_sources([str(run), str(bundle)])


def edit(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def damage_run(tmp_path, file, text):
    run = write_run(tmp_path / "run")
    (run / file).write_bytes(text)
    return run


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("run.json", b"{"),
        ("run.json", b"[]"),
        ("run.json", b'{"run_version": 2}'),
        ("run.json", b"\xff\xfe"),
        ("metrics.csv", b"epoch,train_loss,val_loss,val_top1_ratio\n1,2,3\n"),
        ("metrics.csv", b"epoch,train_loss,val_loss,val_top1_ratio\n1,2,3,4,5\n"),
        ("metrics.csv", b"epoch,train_loss,val_loss,val_top1_ratio\n1,two,3,4\n"),
        ("metrics.csv", b"epoch,loss\n1,2\n"),
        ("metrics.csv", b'epoch,train_loss,val_loss,val_top1_ratio\n"1,2,3,4\n'),
        ("metrics.csv", b"epoch,\xff\n1,2\n"),
        ("metrics.csv", b"epoch,train_loss\x00,val_loss,val_top1_ratio\n1,2,3,4\n"),
    ],
)
def test_a_damaged_record_of_a_run_is_named(tmp_path, file, text):
    run = damage_run(tmp_path, file, text)
    with pytest.raises(TrainError, match=file):
        load_sources([str(run)])


def test_a_metrics_file_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("edgecat.train.history._MAX_BYTES", 100)
    with pytest.raises(TrainError, match="larger than"):
        read_metrics(write_run(tmp_path / "run"))


def test_columns_that_an_older_edgecat_lacks_are_left_out(tmp_path):
    text = b"epoch,train_loss,val_loss,val_top1_ratio,val_macro_f1_ratio\n1,2,3,0.5,\n"
    (row,) = read_metrics(damage_run(tmp_path, "metrics.csv", text))
    assert row == {"epoch": 1, "train_loss": 2, "val_loss": 3, "val_top1_ratio": 0.5}


def test_a_damaged_bundle_is_named(tmp_path, bundle):
    (bundle / "model.onnx").write_bytes(b"changed!")
    with pytest.raises(BundleError, match=r"model\.onnx"):
        load_sources([str(bundle)])
    shutil.rmtree(bundle)
    with pytest.raises(ConfigError, match="no such file"):
        load_sources([str(bundle)])


def test_a_result_of_more_memory_than_there_is_is_refused(tmp_path):
    result = write_results(tmp_path / "result.json")
    (row, _) = json.loads(result.read_text())["rows"]
    edit(result, rows=[row | {"peak_rss_bytes": 10**400}])
    with pytest.raises(ConfigError, match="peak_rss_bytes is above"):
        load_sources([str(result)])


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"schema_version": 99}, "schema_version 99"),
        ({"schema_version": None}, "what 'edgecat benchmark BUNDLE --json FILE' writes"),
        ({"surprise": 1}, "surprise"),
        ({"rows": 3}, "rows"),
        ({"settings": {"bundle": "a\x1b[2Jb"}}, "control characters"),
        ({"notes": ["\ud800"]}, "no Unicode"),
    ],
)
def test_results_that_do_not_read_are_named(tmp_path, changes, told):
    result = write_results(tmp_path / "result.json")
    edit(result, **changes)
    with pytest.raises(ConfigError, match=told):
        load_sources([str(result)])
