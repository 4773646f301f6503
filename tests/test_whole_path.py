"""From a folder of pictures to answers on a device: every command, once, on a run of seconds."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch", reason="needs torch (edgecat[train])")

from edgecat.bundle.reference import load_reference
from edgecat.bundle.store import load_bundle
from edgecat.cli.main import _run
from edgecat.errors import AccuracyLost
from edgecat.export.maker import list_products
from edgecat.export.parity import LOGIT_TOLERANCE, NUM_PHOTOS
from edgecat.quantize.search import Budget
from edgecat.runtime.choice import open_engine
from edgecat.runtime.classifier import Classifier
from edgecat.runtime.engine import runs_here
from edgecat.runtime.selftest import run_self_test
from edgecat.runtime.target import detect_target

# Trains, exports, quantizes.
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]

# Labels that have broken other tools: a blank, a comma, another script, quotes, a mathematical $.
CLASSES = {"Maine_Coon": "Maine Coon", "a, b": "a, b", '고양이 "$5"': '고양이 "$5"'}

# Colours tell the classes apart, so a few passes over 18 pictures are enough to know all of them.
RECIPE = ["epochs=2", "head_epochs=20", "crop_side_px=64", "batch_size=8"]


# Of 30. Chance, or labels in another order than the logits, gives about 10; the float model has 22
# to 30 right, and one photo of six may be lost to rounding.
MIN_RIGHT = 18


def edgecat(*arguments):
    """Return the exit code of a command."""
    return _run([str(argument) for argument in arguments])


def edgecat_json(capsys, *arguments):
    capsys.readouterr()
    assert edgecat(*arguments) == 0
    return json.loads(capsys.readouterr().out)


def error_of(capsys, *arguments, code):
    """Return the message of a command that must fail with this exit code."""
    capsys.readouterr()
    assert edgecat(*arguments) == code
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = [line for line in err.splitlines() if line.startswith("error: ")]
    return line


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    root = tmp_path_factory.mktemp("data") / "photos"
    rng = np.random.default_rng(0)
    for number, folder in enumerate(CLASSES):
        (root / folder).mkdir(parents=True)
        for photo in range(10):
            blotches = rng.integers(0, 128, (10, 10, 3), dtype=np.uint8)
            blotches[..., number] += 120
            picture = Image.fromarray(blotches).resize((96, 72), Image.Resampling.BICUBIC)
            picture.save(root / folder / f"{photo}.png")
    return root


@pytest.fixture(scope="module")
def run(photos, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "first"
    settings = [part for setting in RECIPE for part in ("--set", setting)]
    assert edgecat("finetune", photos, "--out", folder, "--weights", "cats12", *settings) == 0
    return folder


@pytest.fixture(scope="module")
def bundle(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundles") / "first.edgecat"
    arguments = ["--int8", "--search", "quick", "--allow-drop"]
    assert edgecat("export", run, "--out", folder, *arguments) == 0
    return folder


def test_a_bundle_holds_every_variant_that_this_cpu_runs(bundle):
    names = [variant.name for variant in load_bundle(bundle).spec.variants]
    assert set(names) >= {
        "onnxruntime-fp32",
        "onnxruntime-int8",
        "openvino-fp32",
        "openvino-int8",
        "ncnn-fp32",
    }
    assert set(names) <= {product.variant.name for product in list_products()}
    assert names[0] == "onnxruntime-fp32"


def test_only_openvinos_graphs_lie_compressed(bundle):
    gzip_mark = b"\x1f\x8b"  # RFC 1952, section 2.3.1
    for path in bundle.iterdir():
        assert path.read_bytes().startswith(gzip_mark) == path.name.endswith(".xml.gz"), path


def test_labels_go_through_every_step_unharmed(bundle):
    assert load_bundle(bundle).spec.labels == tuple(sorted(CLASSES.values()))


def test_every_variant_answers_every_photo_rightly(bundle, photos):
    for variant in filter(runs_here, load_bundle(bundle).spec.variants):
        with Classifier.open(bundle, variant.name) as classifier:
            answers = {
                path: classifier.predict(path).label for path in sorted(photos.rglob("*.png"))
            }
        right = [CLASSES[path.parent.name] == label for path, label in answers.items()]

        assert sum(right) >= MIN_RIGHT, variant.name


def test_every_variant_passes_the_self_test_that_the_export_stored(bundle):
    loaded = load_bundle(bundle)
    for variant in filter(runs_here, loaded.spec.variants):
        result = run_self_test(loaded, open_engine(loaded, variant.name))
        assert result.num_photos == 3, variant.name


def test_the_bundle_says_how_each_variant_answers_photos_of_the_training(bundle):
    loaded = load_bundle(bundle)
    reference = load_reference(loaded)
    num_validation = loaded.spec.provenance["num_photos"]["val"]
    assert list(reference.variants) == [variant.name for variant in loaded.spec.variants]
    for variant in loaded.spec.variants:
        answered = reference.of(variant.name)
        assert len(answered.ood_scores) == num_validation
        strange = sum(score > variant.ood_threshold + 1e-5 for score in answered.ood_scores)
        assert answered.num_answers.get("unknown", 0) == strange
        assert set(answered.num_answers) <= {*loaded.spec.labels, "unknown"}


def test_the_proofs_stand_in_the_manifest(bundle):
    provenance = load_bundle(bundle).spec.provenance
    for name in ("onnxruntime-fp32", "openvino-fp32", "ncnn-fp32"):
        parity = provenance["parity"][name]
        assert parity["num_images"] >= NUM_PHOTOS
        assert 0 <= parity["logit_gap"] <= LOGIT_TOLERANCE
    assert provenance["num_calibration"] == 18  # all there are to train with
    assert provenance["weights"] == "cats12"
    for variant in load_bundle(bundle).spec.variants:
        assert variant.score.split == "test"
        assert variant.score.num_images == 6


def test_photos_to_test_with_set_no_ranges(bundle):
    seen = json.loads((bundle / "photos.json").read_text())
    assert len(seen["test"]) == 6
    assert set(seen["calibration"]) <= set(seen["train"])
    assert not set(seen["test"]) & (set(seen["train"]) | set(seen["val"]))


def test_a_bundle_tells_nothing_of_the_machine_that_made_it(bundle, photos, run):
    text = (bundle / "bundle.json").read_text()
    assert str(photos.parent) not in text
    assert str(run.parent) not in text


# INT8 that is not good enough

QUICK = ("--int8", "--search", "quick")


@pytest.fixture
def nothing_holds(monkeypatch):
    """A budget that no change keeps: six validation photos cannot be lost on purpose."""
    monkeypatch.setattr(Budget, "holds", lambda budget, change: False)
    monkeypatch.setattr(Budget, "ends_search", lambda budget, change: False)


def test_int8_over_budget_is_refused_and_the_rest_is_written(run, tmp_path, nothing_holds, capsys):
    out = tmp_path / "b.edgecat"
    message = error_of(capsys, "export", run, "--out", out, *QUICK, code=AccuracyLost.exit_code)
    assert "refused: the best step of onnxruntime-int8 lost" in message
    assert "--allow-drop" in message
    assert not list(out.glob("onnxruntime-int8*"))
    names = {variant.name for variant in load_bundle(out).spec.variants}
    assert {"onnxruntime-fp32", "openvino-fp32"} <= names


def test_int8_over_budget_may_be_kept_but_does_not_ship(run, tmp_path, nothing_holds):
    out = tmp_path / "b.edgecat"
    assert edgecat("export", run, "--out", out, *QUICK, "--allow-drop") == 0
    spec = load_bundle(out).spec
    verdict = spec.variant("onnxruntime-int8").verdict
    assert verdict.ships_to == ()
    assert all("over budget" in reason for reason in verdict.reasons.values())
    assert spec.provenance["budget"]["allows_drop"] is True
    assert "onnxruntime-int8" not in spec.preferred_variants(detect_target())


def test_a_checkpoint_that_is_no_number_is_refused_by_name(run, tmp_path, capsys):
    from safetensors.numpy import load_file, save_file

    broken = shutil.copytree(run, tmp_path / "broken")
    tensors = load_file(broken / "model.safetensors")
    name = sorted(tensors)[0]
    tensors[name] = np.full_like(tensors[name], np.nan)
    save_file(tensors, broken / "model.safetensors")
    out = tmp_path / "b.edgecat"
    message = error_of(capsys, "export", broken, "--out", out, "--int8", code=7)
    assert f"{name} holds values that are NaN" in message
    assert not out.exists()


# JSON, as other programs read it


def test_predict_prints_what_it_promises(bundle, photos, capsys):
    image = str(photos / "Maine_Coon" / "0.png")
    result = edgecat_json(capsys, "predict", bundle, image, "--top", 2, "--json")
    assert list(result) == ["bundle", "variant", "choice", "precision", "predictions", "errors"]
    preferred = load_bundle(bundle).spec.preferred_variants(detect_target())
    assert (result["bundle"], result["variant"]) == ("first", preferred[0])
    assert result["precision"] is None  # on the CPU the variant's name says it
    assert (result["choice"]["variant"], result["choice"]["origin"]) == (preferred[0], "rule")
    (answer,) = result["predictions"]
    keys = ["photo", "answer", "label", "probability", "top", "is_known", "stage_ms"]
    keys += ["ood_score", "notes"]
    assert list(answer) == keys
    assert isinstance(answer["is_known"], bool)
    assert isinstance(answer["ood_score"], float)
    assert answer["photo"] == image
    assert answer["label"] == "Maine Coon" == answer["top"][0]["label"]
    assert answer["probability"] == answer["top"][0]["probability"] > 1 / 3
    assert [set(guess) for guess in answer["top"]] == [{"label", "probability"}] * 2
    assert all(duration_ms >= 0 for duration_ms in answer["stage_ms"].values())
    assert result["errors"] == []


def test_of_several_photos_a_broken_one_is_reported_and_the_others_are_answered(
    bundle, photos, tmp_path, capsys
):
    broken = tmp_path / "broken.jpg"
    broken.write_text("I am a cat")
    good = [str(photos / folder / "1.png") for folder in CLASSES]
    arguments = ["predict", bundle, good[0], broken, *good[1:]]
    capsys.readouterr()
    assert edgecat(*arguments, "--json") == 4
    out, err = capsys.readouterr()
    result = json.loads(out)
    assert [answer["photo"] for answer in result["predictions"]] == good
    assert [failure["photo"] for failure in result["errors"]] == [str(broken)]
    assert "not a photo" in result["errors"][0]["error"]
    assert err.startswith(f"error: {broken}: not a photo")
    assert edgecat(*arguments) == 4
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_evaluate_prints_what_it_promises_and_uses_the_test_photos(bundle, photos, capsys):
    result = edgecat_json(
        capsys, "evaluate", bundle, photos, "--variant", "openvino-int8", "--json"
    )
    assert set(result) == {
        "variant",
        "split",
        "num_images",
        "num_seen",
        "top1_ratio",
        "top1_interval_ratio",
        "macro_f1_ratio",
        "per_class",
    }
    assert (result["variant"], result["split"]) == ("openvino-int8", "test")
    assert (result["num_images"], result["num_seen"]) == (6, 0)
    low, high = result["top1_interval_ratio"]
    assert 0 <= low <= result["top1_ratio"] <= high <= 1
    assert set(result["per_class"]) == set(CLASSES.values())
    for score in result["per_class"].values():
        assert set(score) == {"num_images", "recall_ratio", "precision_ratio"}
        assert score["num_images"] == 2


def test_a_zip_file_of_the_photos_is_measured_as_the_folder_is(bundle, photos, tmp_path, capsys):
    packed = shutil.make_archive(str(tmp_path / "photos"), "zip", photos.parent, photos.name)
    found = [edgecat_json(capsys, "evaluate", bundle, data, "--json") for data in (photos, packed)]
    assert found[0] == found[1]
    assert edgecat("evaluate", bundle, packed) == 0
    out, err = capsys.readouterr()
    assert f"{packed} (entered photos/): a folder per class, 30 photos of 3 classes" in err
    assert "% (95 % interval; " in out
    assert "CAREFUL: fewer than 10 photos of " in out


def test_evaluate_says_how_many_photos_the_model_was_trained_on(bundle, photos, capsys):
    result = edgecat_json(capsys, "evaluate", bundle, photos, "--split", "all", "--json")
    assert (result["split"], result["num_images"], result["num_seen"]) == ("all", 30, 24)
    assert edgecat("evaluate", bundle, photos, "--split", "all") == 0
    assert "CAREFUL: the model was trained on 24 of these photos" in capsys.readouterr().out


def test_evaluate_takes_some_of_the_classes_and_refuses_unknown_ones_by_name(
    bundle, photos, tmp_path, capsys
):
    shutil.copytree(photos / "a, b", tmp_path / "some" / "a, b")
    result = edgecat_json(capsys, "evaluate", bundle, tmp_path / "some", "--json")
    assert list(result["per_class"]) == ["a, b"]
    shutil.copytree(photos / "a, b", tmp_path / "some" / "Dog")
    message = error_of(capsys, "evaluate", bundle, tmp_path / "some", code=3)
    assert "does not know 'Dog'" in message
    assert "Maine Coon" in message


def test_benchmark_measures_every_variant_and_prints_what_it_promises(
    bundle, photos, tmp_path, capsys
):
    file = tmp_path / "benchmark.json"
    arguments = ["--data", photos, "--rounds", 10, "--threads", 1, "--json", file]
    assert edgecat("benchmark", bundle, *arguments) == 0
    table = capsys.readouterr().out
    result = json.loads(file.read_text())
    assert set(result) >= {"host", "settings", "rows"}
    spec = load_bundle(bundle).spec
    assert [row["variant"] for row in result["rows"]] == [
        v.name for v in filter(runs_here, spec.variants)
    ]
    for row in result["rows"]:
        assert set(row) >= {
            "variant",
            "threads",
            "precision",
            "latency_ms",
            "throughput_ips",
            "cold_start_ms",
            "peak_rss_bytes",
            "size_bytes",
            "top1_ratio",
        }
        assert row["variant"] in table
        assert row["threads"] == 1
        assert set(row["latency_ms"]) == {"p50", "p95", "p99"}
        assert 0 < row["latency_ms"]["p50"] <= row["latency_ms"]["p95"] <= row["latency_ms"]["p99"]
        assert row["cold_start_ms"] > row["latency_ms"]["p50"]
        assert row["throughput_ips"] > 0
        assert row["peak_rss_bytes"] > row["size_bytes"] > 0
        assert row["precision"].replace("+", "").startswith(row["variant"].split("-")[1])
        assert 0 <= row["top1_ratio"] <= 1
        assert 0 <= row["macro_f1_ratio"] <= 1
        assert {one["num_images"] for one in row["per_class"].values()} == {2}
    assert json.loads(json.dumps(result["host"])) == result["host"]


def test_inspect_prints_the_manifest(bundle, capsys):
    result = edgecat_json(capsys, "inspect", bundle, "--json")
    assert result == json.loads((bundle / "bundle.json").read_text())
    assert edgecat("inspect", bundle) == 0
    text = capsys.readouterr().out
    assert all(label in text for label in CLASSES.values())
    assert all(variant["name"] in text for variant in result["variants"])
    num_variants = len(result["variants"])
    assert text.count(", macro F1 ") == text.count("95 % interval; ") == num_variants
    assert text.count("  recall, lowest first: ") == num_variants
    assert text.count("CAREFUL: fewer than 10 photos of ") == 1


# Export, when things are not where they were; a bundle that stands there survives all of it


def test_export_to_a_folder_that_is_no_bundle_is_refused_and_the_folder_left_alone(
    run, tmp_path, capsys
):
    (tmp_path / "diary.txt").write_text("dear diary")
    message = error_of(capsys, "export", run, "--out", tmp_path, code=5)
    assert "exists and is no bundle; give --out another name" in message
    assert contents(tmp_path) == {"diary.txt": b"dear diary"}


def test_moved_photos_are_found_with_data_and_the_bundle_is_replaced_whole(
    run, bundle, photos, tmp_path, capsys
):
    # As a zip file with a folder around: in the run there was neither.
    old, moved, out = tmp_path / "old", tmp_path / "moved.zip", tmp_path / "x.edgecat"
    shutil.copytree(run, old)
    shutil.copytree(bundle, out)
    shutil.make_archive(str(moved.with_suffix("")), "zip", photos.parent, photos.name)
    record = json.loads((old / "run.json").read_text())
    record["data"] = str(tmp_path / "gone")
    (old / "run.json").write_text(json.dumps(record))
    before = contents(out)
    message = error_of(capsys, "export", old, "--out", out, code=3)
    assert str(tmp_path / "gone") in message
    assert "--data DIR" in message
    assert contents(out) == before

    assert edgecat("export", old, "--out", out, "--data", moved) == 0
    spec = load_bundle(out).spec
    assert not any(variant.precision == "int8" for variant in spec.variants)
    assert not any(name.endswith("int8.onnx") for name in contents(out))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["moved.zip", "old", "x.edgecat"]


@pytest.mark.parametrize("change", ["changed", "missing"])
def test_a_photo_that_is_not_what_it_was_is_refused_by_its_name(
    run, photos, tmp_path, capsys, change
):
    shutil.copytree(photos, tmp_path / "photos")
    rows = json.loads((run / "split.json").read_text())["photos"]
    name = next(row["path"] for row in rows if row["split"] == "val")
    path = tmp_path / "photos" / name
    if change == "changed":
        shutil.copyfile(next(p for p in path.parent.iterdir() if p != path), path)
    else:
        path.unlink()
    out = tmp_path / "x.edgecat"
    message = error_of(capsys, "export", run, "--out", out, "--data", tmp_path / "photos", code=3)
    assert name in message
    assert ("changed since the run" in message) == (change == "changed")
    assert "--data DIR" in message
    assert not out.exists()


@pytest.mark.parametrize("change", ["unfinished", "no weights", "half the weights", "version"])
def test_a_run_that_cannot_be_exported_is_refused(run, tmp_path, capsys, change):
    old = tmp_path / "old"
    shutil.copytree(run, old)
    record = json.loads((old / "run.json").read_text())
    if change == "unfinished":
        record["outcome"] = None
        words = "has not finished; go on with it: edgecat finetune"
    elif change == "version":
        record["run_version"] = 99
        words = "run_version 99, but this edgecat reads 1; fine-tune again"
    elif change == "no weights":
        (old / "model.safetensors").unlink()
        words = "model.safetensors: not the weights of this run"
    else:
        half = (old / "model.safetensors").read_bytes()[:100_000]
        (old / "model.safetensors").write_bytes(half)
        words = "model.safetensors: not the weights of this run"
    (old / "run.json").write_text(json.dumps(record))
    out = tmp_path / "x.edgecat"
    assert words in error_of(capsys, "export", old, "--out", out, code=7)
    assert not out.exists()


def test_a_folder_that_is_no_run_is_refused(photos, tmp_path, capsys):
    message = error_of(capsys, "export", photos, "--out", tmp_path / "x.edgecat", code=7)
    assert "no run.json in it; a run is what 'edgecat finetune DATA --out RUN' makes" in message
