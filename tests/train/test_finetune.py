"""Fine-tuning runs of seconds: what they write, that chance is seeded, what stops them."""

import contextlib
import csv
import dataclasses
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch", reason="needs torch (edgecat[train])")

from safetensors.numpy import load_file  # noqa: E402

from edgecat.errors import (  # noqa: E402
    ConfigError,
    DatasetError,
    StorageError,
    TrainError,
    WeightsError,
)
from edgecat.progress import Silent  # noqa: E402
from edgecat.train.checkpoint import load_state, save_state  # noqa: E402
from edgecat.train.device import choose_device  # noqa: E402
from edgecat.train.finetune import finetune  # noqa: E402
from edgecat.train.plots import plot_confusion, plot_curves  # noqa: E402
from edgecat.train.recipe import Recipe  # noqa: E402
from edgecat.train.run import load_run, load_split  # noqa: E402

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]  # trains

FILES = {
    "run.json",
    "split.json",
    "model.safetensors",
    "last.pt",
    "metrics.csv",
    "curves.png",
    "confusion.png",
}

# Above the 8 MB of 30 decoded photos and the 12 MB of a checkpoint before the optimizer's moments,
# below the 24 MB of one with them: only the write of an epoch's checkpoint fails.
FULL_DISK_BYTES = 18 * 2**20


@pytest.fixture(scope="module")
def record(job):
    """The record of the uninterrupted run that the others are compared with."""
    return finetune(job)


class Stops(Silent):
    """Progress that ends the run with an error at the second step of a phase."""

    def __init__(self, name):
        self.name = name

    @contextlib.contextmanager
    def phase(self, name, num_steps):
        steps = iter(range(num_steps))

        def step():
            if name.startswith(self.name) and next(steps) == 1:
                raise KeyboardInterrupt

        yield step


def model_bytes(run):
    return (run / "model.safetensors").read_bytes()


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# What a run leaves


def test_a_run_leaves_its_files_and_nothing_else(job, record):
    assert {path.name for path in job.run.iterdir()} == FILES


def test_the_record_says_what_was_asked_and_what_came_out(job, record, quick):
    assert record == load_run(job.run)
    assert (record.arch, record.weights, record.seed) == ("mobilenet_v3_small", "cats12", 5)
    assert record.labels == ("class 0", "class 1", "class 2")
    assert record.recipe == quick
    assert record.num_loaded == 242
    assert record.random == ("classifier.3.weight", "classifier.3.bias")
    assert sum(record.num_photos.values()) == 30
    assert record.device.startswith("cpu")
    assert set(record.versions) >= {"edgecat", "torch", "torchvision", "python"}
    assert record.outcome.best_epoch in (1, 2)
    assert record.outcome.num_test == record.num_photos["test"] == 6
    low, high = record.outcome.test_interval_ratio
    assert 0 <= low <= record.outcome.test_top1_ratio <= high <= 1
    per_class = record.outcome.test_per_class
    assert {label: one.num_images for label, one in per_class.items()} == dict.fromkeys(
        record.labels, 2
    )
    recalls = [one.recall_ratio for one in per_class.values()]
    assert np.mean(recalls) == pytest.approx(record.outcome.test_top1_ratio)  # of equal classes
    assert 0 <= record.outcome.test_macro_f1_ratio <= 1
    assert record.outcome.duration_s > 0
    assert record.outcome.images_per_s > 0


def test_metrics_have_a_row_for_each_epoch(job, record):
    with (job.run / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    names = ["epoch", "train_loss", "num_skipped_steps", "images_per_s", "busy_ratio"]
    names += ["val_loss"]
    names += ["val_top1_ratio", "val_macro_f1_ratio", "adjusted_recall_ratio"]
    names += [f"val_recall_ratio of class {number}" for number in range(3)] + ["duration_s"]
    assert [list(row) for row in rows] == [names, names]
    assert [row["epoch"] for row in rows] == ["1", "2"]
    best = rows[record.outcome.best_epoch - 1]
    assert float(best["val_top1_ratio"]) == pytest.approx(record.outcome.val_top1_ratio, abs=1e-5)
    macro_f1 = record.outcome.val_macro_f1_ratio
    assert float(best["val_macro_f1_ratio"]) == pytest.approx(macro_f1, abs=1e-5)


@pytest.mark.parametrize("name", ["curves.png", "confusion.png"])
def test_the_pictures_open_and_show_something(job, record, name):
    with Image.open(job.run / name) as picture:
        assert picture.format == "PNG"
        assert min(picture.size) >= 300
        assert np.asarray(picture.convert("L")).std() > 5


def test_the_split_names_every_photo_with_its_hash_and_each_class_in_each_part(job, record, photos):
    split = load_split(job.run)
    assert {photo.path for photo in split.photos} == {
        path.relative_to(photos).as_posix() for path in photos.rglob("*.png")
    }
    for photo in split.photos:
        assert photo.sha256 == hashlib.sha256((photos / photo.path).read_bytes()).hexdigest()
    parts = {(photo.label, photo.split) for photo in split.photos}
    assert parts == {(f"class {n}", part) for n in range(3) for part in ("train", "val", "test")}


def test_the_weights_are_finite_and_no_longer_the_pretrained_ones(job, record):
    tensors = load_file(job.run / "model.safetensors")
    assert all(np.isfinite(tensor).all() for tensor in tensors.values())
    assert tensors["network.classifier.3.weight"].shape == (3, 1024)


# Chance and interruption


def test_the_same_seed_gives_the_same_weights_bit_for_bit(job, record, tmp_path):
    again = finetune(dataclasses.replace(job, run=tmp_path / "again"))
    assert model_bytes(tmp_path / "again") == model_bytes(job.run)
    assert again.outcome.test_top1_ratio == record.outcome.test_top1_ratio


def test_another_seed_gives_other_weights_and_another_split(job, record, tmp_path, quick):
    one_epoch = dataclasses.replace(quick, epochs=1)
    finetune(dataclasses.replace(job, run=tmp_path / "r", seed=6, recipe=one_epoch))
    ours, theirs = load_split(job.run), load_split(tmp_path / "r")
    assert ours.indices("test") != theirs.indices("test")
    assert model_bytes(tmp_path / "r") != model_bytes(job.run)


@pytest.mark.parametrize("phase", ["decode", "features", "epoch 1", "epoch 2"])
def test_a_run_stopped_in_any_phase_goes_on_to_the_same_result(job, record, tmp_path, phase):
    stopped = dataclasses.replace(job, run=tmp_path / "r", resume=True)
    with pytest.raises(KeyboardInterrupt):
        finetune(stopped, Stops(phase))
    assert not (tmp_path / "r" / "pixels.cache").exists()
    resumed = finetune(stopped)
    assert {path.name for path in (tmp_path / "r").iterdir()} == FILES
    assert model_bytes(tmp_path / "r") == model_bytes(job.run)
    assert resumed.outcome.best_epoch == record.outcome.best_epoch
    assert resumed.outcome.test_top1_ratio == record.outcome.test_top1_ratio


KILLED = """
import os, signal, sys
from pathlib import Path
from conftest import QUICK
from edgecat.train.job import Job
from test_finetune import Stops, finetune

class Kills(Stops):
    def phase(self, name, num_steps):
        if name.startswith(self.name):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().phase(name, num_steps)

data, run, phase = sys.argv[1:]
finetune(Job(Path(data), Path(run), weights="cats12", recipe=QUICK, seed=5, device="cpu"),
         Kills(phase))
"""


def test_a_run_killed_after_its_first_epoch_ends_as_if_nothing_had_happened(
    job, record, tmp_path, listens
):
    run = tmp_path / "r"
    done = subprocess.run(
        [sys.executable, "-c", KILLED, job.data, run, "epoch 2"],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert (run / "pixels.cache").exists()  # nobody could clean up
    state = load_state(run / "last.pt")
    assert state.epoch == 1
    state.history[0]["duration_s"] = 1000.0
    save_state(state, run / "last.pt")
    resumed = finetune(dataclasses.replace(job, run=run, resume=True), listens)
    assert resumed.outcome.duration_s > 1000
    assert "resumed after epoch 1" in listens.lines
    assert {path.name for path in run.iterdir()} == FILES
    assert model_bytes(run) == model_bytes(job.run)


def test_ctrl_c_says_how_to_go_on_and_leaves_no_cache(job, tmp_path):
    run = tmp_path / "r"
    command = ["finetune", job.data, "--out", run, "--weights", "cats12", "--epochs", "500"]
    command += ["--set", "head_epochs=1", "--set", "crop_side_px=64"]
    with subprocess.Popen(
        [sys.executable, "-c", "from edgecat.cli.main import main; main()", *command],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
        # A shell starts background jobs, and so all their children, with SIGINT ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        for line in process.stderr:
            if line.startswith("epoch 1/"):
                break
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert process.returncode == 130
    assert f"{run} is kept" in rest
    assert "--resume" in rest
    assert "Traceback" not in rest
    assert not (run / "pixels.cache").exists()
    assert load_state(run / "last.pt").epoch >= 0


def test_a_full_disk_leaves_the_last_checkpoint_whole(job, record, tmp_path, largest_file):
    run = tmp_path / "r"
    with largest_file(FULL_DISK_BYTES), pytest.raises(StorageError, match=r"last\.pt"):
        finetune(dataclasses.replace(job, run=run))
    assert load_state(run / "last.pt").epoch == 0
    assert not any(path.name.startswith(".") for path in run.iterdir())
    finetune(dataclasses.replace(job, run=run, resume=True))
    assert model_bytes(run) == model_bytes(job.run)


def test_a_run_of_an_edgecat_before_macro_f1_goes_on(job, record, tmp_path):
    run = tmp_path / "r"
    with pytest.raises(KeyboardInterrupt):
        finetune(dataclasses.replace(job, run=run), Stops("epoch 2"))
    state = load_state(run / "last.pt")
    old = {"epoch", "train_loss", "val_loss", "val_top1_ratio", "duration_s"}
    state.history[0] = {name: state.history[0][name] for name in old}
    save_state(state, run / "last.pt")
    values = json.loads((run / "run.json").read_text())
    del values["divergences"], values["recipe"]["balance_ratio"]
    (run / "run.json").write_text(json.dumps(values))
    resumed = finetune(dataclasses.replace(job, run=run, resume=True))
    assert model_bytes(run) == model_bytes(job.run)
    assert resumed.outcome.test_macro_f1_ratio == record.outcome.test_macro_f1_ratio
    with (run / "metrics.csv").open() as file:
        first, second = csv.DictReader(file)
    assert (first["val_macro_f1_ratio"], second["val_macro_f1_ratio"] != "") == ("", True)


class Dies(Silent):
    """Progress that ends the run as it tells of an epoch."""

    def __init__(self, words):
        self.words = words

    def say(self, line):
        if line.startswith(self.words):
            raise KeyboardInterrupt


def test_the_kept_weights_are_those_that_the_checkpoint_names_whenever_a_run_is_killed(
    job, record, tmp_path
):
    run = tmp_path / "r"
    stopped = dataclasses.replace(job, run=run, resume=True)
    with pytest.raises(KeyboardInterrupt):
        finetune(stopped, Dies("epoch 2/2: "))
    state = load_state(run / "last.pt")
    assert state.epoch == state.best_epoch == 1
    tensors = {
        name.removeprefix("module."): tensor.numpy()
        for name, tensor in state.average.items()
        if name != "n_averaged"
    }
    kept = load_file(run / "model.safetensors")
    assert kept.keys() == tensors.keys()
    assert all(np.array_equal(kept[name], tensors[name]) for name in kept)

    before = model_bytes(run)
    shutil.copy(job.run / "model.safetensors", run)  # another epoch's
    with pytest.raises(KeyboardInterrupt):
        finetune(stopped, Stops("epoch 2"))
    assert model_bytes(run) == before


@pytest.mark.parametrize("size_bytes", [None, 0, 1000])
def test_kept_weights_that_are_damaged_are_refused_before_the_run_goes_on(
    job, tmp_path, size_bytes, listens
):
    run = tmp_path / "r"
    with pytest.raises(KeyboardInterrupt):
        finetune(dataclasses.replace(job, run=run), Stops("epoch 2"))
    state = load_state(run / "last.pt")
    state.epoch = 2  # which was not kept, so that the weights are nowhere else
    state.history.append(state.history[0] | {"epoch": 2})
    save_state(state, run / "last.pt")
    if size_bytes is None:
        (run / "model.safetensors").unlink()
    else:
        os.truncate(run / "model.safetensors", size_bytes)
    with pytest.raises(TrainError, match=r"model\.safetensors: not the weights of this run"):
        finetune(dataclasses.replace(job, run=run, resume=True), listens)
    assert not any(line.startswith("resumed") for line in listens.lines)


# A folder that holds a run


def test_a_finished_run_is_not_trained_again(job, record, tmp_path, listens):
    shutil.copytree(job.run, tmp_path / "r")
    before = contents(tmp_path / "r")
    again = finetune(dataclasses.replace(job, run=tmp_path / "r", resume=True), listens)
    assert again == record
    assert any("finished already" in line for line in listens.lines)
    assert contents(tmp_path / "r") == before


def test_a_folder_with_a_run_is_taken_unless_resume_is_said(job, record):
    before = contents(job.run)
    with pytest.raises(TrainError, match="holds a run already; go on with it by adding --resume"):
        finetune(job)
    assert contents(job.run) == before


def test_a_folder_with_anything_else_is_taken(job, tmp_path):
    (tmp_path / "diary.txt").write_text("dear diary")
    for resume in (False, True):
        with pytest.raises(TrainError, match="not empty; give --out another name"):
            finetune(dataclasses.replace(job, run=tmp_path, resume=resume))
    assert contents(tmp_path) == {"diary.txt": b"dear diary"}


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"seed": 6}, "seed"),
        ({"recipe": Recipe()}, "recipe"),
        ({"weights": "scratch"}, "weights"),
        ({"arch": "mobilenet_v3_large", "weights": "scratch"}, "arch"),
        ({"init": "full", "weights": "cats12"}, "--init"),
    ],
)
def test_resume_refuses_another_run_than_the_one_that_stopped(job, record, tmp_path, change, word):
    shutil.copytree(job.run, tmp_path / "r")
    before = contents(tmp_path / "r")
    with pytest.raises(TrainError, match=f"--resume needs the same {word}"):
        finetune(dataclasses.replace(job, run=tmp_path / "r", resume=True, **change))
    assert contents(tmp_path / "r") == before


def test_resume_refuses_other_photos(job, record, tmp_path, draw_reds):
    shutil.copytree(job.run, tmp_path / "r")
    others = draw_reds(tmp_path / "others", seed=9)
    with pytest.raises(TrainError, match="--resume needs the same photos") as refused:
        finetune(dataclasses.replace(job, run=tmp_path / "r", data=others, resume=True))
    assert f"give those of then, {job.data}, with its --list if" in str(refused.value)


@pytest.mark.parametrize("layout", ["a folder per class", "split already"])
def test_resume_refuses_the_same_photos_in_another_order_or_split(
    job, photos, tmp_path, layout, listens
):
    """Else photos that were learned from would validate and test."""
    data = tmp_path / "photos"
    for path in sorted(photos.rglob("*.png")):
        number = int(path.stem)
        split = {0: "val", 1: "test"}.get(number, "train") if layout == "split already" else ""
        (data / split / path.parent.name).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, data / split / path.parent.name)
    asked = dataclasses.replace(job, data=data, run=tmp_path / "r", resume=True)
    with pytest.raises(KeyboardInterrupt):
        finetune(asked, Stops("epoch 2"))
    if layout == "split already":
        one, other = data / "test" / "class_0" / "1.png", data / "train" / "class_0" / "1.png"
        another = data / "train" / "class_0" / "2.png"
        one.rename(other)
        another.rename(one)
    else:
        (data / "class_0" / "0.png").rename(data / "class_0" / "z.png")
    before = contents(tmp_path / "r")
    with pytest.raises(TrainError, match="renamed, or in another class or split; give those of"):
        finetune(asked, listens)
    assert contents(tmp_path / "r") == before


def test_the_checkpoint_of_another_network_is_refused_by_its_name(job, tmp_path):
    asked = dataclasses.replace(job, run=tmp_path / "r", resume=True)
    with pytest.raises(KeyboardInterrupt):
        finetune(asked, Stops("epoch 2"))
    state = load_state(tmp_path / "r" / "last.pt")
    state.network["network.classifier.3.bias"] = torch.zeros(7)
    save_state(state, tmp_path / "r" / "last.pt")
    with pytest.raises(TrainError, match=r"last\.pt: the checkpoint of another network"):
        finetune(asked)


def test_only_listed_photos_are_learned_from_and_resume_wants_the_same_list(job, quick, tmp_path):
    paths = sorted(path.relative_to(job.data).as_posix() for path in job.data.glob("*/*"))
    kept = [path for number, path in enumerate(paths) if number % 10 < 6]
    (tmp_path / "list").write_text("\n".join(kept))
    listed = dataclasses.replace(job, run=tmp_path / "r", photo_list=tmp_path / "list")
    finetune(listed)
    assert sorted(photo.path for photo in load_split(tmp_path / "r").photos) == kept
    with pytest.raises(TrainError, match="--resume needs the same photos"):
        finetune(dataclasses.replace(listed, resume=True, photo_list=None))


def test_a_run_of_another_version_is_refused(job, record, tmp_path):
    shutil.copytree(job.run, tmp_path / "r")
    text = (tmp_path / "r" / "run.json").read_text()
    assert '"run_version": 1' in text
    (tmp_path / "r" / "run.json").write_text(text.replace('"run_version": 1', '"run_version": 2'))
    with pytest.raises(TrainError, match="run_version 2, but this edgecat reads 1; fine-tune"):
        finetune(dataclasses.replace(job, run=tmp_path / "r", resume=True))


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", None])
def test_a_checkpoint_that_is_none_is_refused_by_its_name(job, record, tmp_path, content):
    path = tmp_path / "last.pt"
    whole = (job.run / "last.pt").read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if content is None else content)
    with pytest.raises(TrainError, match=r"last\.pt: not a checkpoint of this version"):
        load_state(path)


# What stops a run before it starts


@pytest.mark.parametrize(
    ("device", "error", "words"),
    [
        ("gpu", ConfigError, "--device gpu: accepted are auto, cpu, cuda, cuda:N"),
        ("cpu:1", ConfigError, "accepted are"),
        ("cpu:", ConfigError, "accepted are"),
        ("cuda:x", ConfigError, "accepted are"),
        ("cuda:-1", ConfigError, "accepted are"),
        ("", ConfigError, "accepted are"),
        ("cuda:999", TrainError, "CUDA device"),
    ],
)
def test_a_device_that_is_none_is_refused(device, error, words):
    with pytest.raises(error, match=words):
        choose_device(device)


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
@pytest.mark.parametrize("device", ["cuda", "cuda:9"])
def test_cuda_without_cuda_says_what_torch_is_and_the_way_out(job, tmp_path, device):
    with pytest.raises(TrainError, match=r"sees no CUDA device .*use --device cpu"):
        finetune(dataclasses.replace(job, run=tmp_path / "r", device=device))
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"arch": "resnet18"}, ConfigError, "network 'resnet18': accepted are mobilenet_v3_large"),
        ({"seed": -1}, ConfigError, "--seed -1: must be 0 or more"),
        ({"seed": 2**64}, ConfigError, "must be 0 or more, and below 18446744073709551616"),
        ({"weights": "nowhere.pth"}, WeightsError, r"nowhere\.pth: no such file"),
    ],
)
def test_a_job_that_cannot_be_done_writes_nothing(job, tmp_path, change, error, words):
    with pytest.raises(error, match=words):
        finetune(dataclasses.replace(job, run=tmp_path / "r", **change))
    assert not (tmp_path / "r").exists()


def spoil_nothing(root):
    for path in root.rglob("*.png"):
        path.unlink()


def spoil_to_one_class(root):
    shutil.rmtree(root / "class_1")
    shutil.rmtree(root / "class_2")


def spoil_to_four_photos(root):
    for number in range(4, 10):
        (root / "class_1" / f"{number}.png").unlink()


def spoil_to_copies(root):
    for number in range(1, 10):
        shutil.copyfile(root / "class_1" / "0.png", root / "class_1" / f"{number}.png")


def spoil_with_a_loop(root):
    (root / "class_1" / "again").symlink_to(root / "class_1")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (shutil.rmtree, "no such folder"),
        (spoil_nothing, r"no photos .*without a photo.*; it must hold one sub-folder per class"),
        (spoil_to_one_class, r"one class only \(class 0\); .* at least two"),
        (spoil_to_four_photos, r"too few photos in 'class 1' \(4\); .* at least 5"),
        (spoil_to_copies, "class 'class 1' has 10 photos, but only 1 that differ"),
        (spoil_with_a_loop, "leads back to its own folder"),
    ],
)
def test_a_folder_that_cannot_be_learned_from_is_refused(job, photos, tmp_path, spoil, words):
    shutil.copytree(photos, tmp_path / "photos")
    spoil(tmp_path / "photos")
    with pytest.raises(DatasetError, match=words):
        finetune(dataclasses.replace(job, data=tmp_path / "photos", run=tmp_path / "r"))
    assert not (tmp_path / "r").exists() or not any((tmp_path / "r").iterdir())


def break_photos(root):
    photo = (root / "class_0" / "0.png").read_bytes()
    (root / "class_0" / "zero.jpg").write_bytes(b"")
    (root / "class_1" / "half.png").write_bytes(photo[: len(photo) // 2])
    (root / "class_2" / "text.jpg").write_text("I am a cat")
    (root / "class_2" / "loop.jpg").symlink_to("loop.jpg")
    return ["zero.jpg", "half.png", "text.jpg", "loop.jpg"]


def test_broken_photos_stop_a_run_before_any_work_and_are_all_named(job, photos, tmp_path):
    shutil.copytree(photos, tmp_path / "photos")
    names = break_photos(tmp_path / "photos")
    with pytest.raises(DatasetError, match="4 of 34 photos are broken") as refused:
        finetune(dataclasses.replace(job, data=tmp_path / "photos", run=tmp_path / "r"))
    assert all(name in str(refused.value) for name in names)
    assert "--skip-broken" in str(refused.value)
    assert not (tmp_path / "r").exists()


def test_skip_broken_lists_them_and_trains_with_the_rest(job, record, photos, tmp_path, listens):
    shutil.copytree(photos, tmp_path / "photos")
    names = break_photos(tmp_path / "photos")
    other = dataclasses.replace(job, data=tmp_path / "photos", run=tmp_path / "r", skip_broken=True)
    trained = finetune(other, listens)
    left_out = [line for line in listens.lines if line.startswith("left out: ")]
    assert len(left_out) == 4
    assert all(any(name in line for line in left_out) for name in names)
    assert trained.data_sha256 == record.data_sha256
    assert model_bytes(tmp_path / "r") == model_bytes(job.run)


def test_a_class_with_too_few_whole_photos_is_refused_after_skipping(job, photos, tmp_path):
    shutil.copytree(photos, tmp_path / "photos")
    for number in range(6):
        (tmp_path / "photos" / "class_1" / f"{number}.png").write_bytes(b"")
    with pytest.raises(DatasetError, match=r"'class 1'.*4"):
        finetune(
            dataclasses.replace(job, data=tmp_path / "photos", run=tmp_path / "r", skip_broken=True)
        )


def test_a_ready_made_split_is_used_as_it_is_and_leaks_are_left_out(
    job, tmp_path, listens, quick, draw_reds
):
    root = tmp_path / "photos"
    for seed, (part, num) in enumerate({"train": 6, "val": 2, "test": 3}.items()):
        draw_reds(root / part, num_per_class=num, seed=seed)
    shutil.copyfile(root / "test/class_1/0.png", root / "train/class_1/leak.png")
    one_epoch = dataclasses.replace(quick, epochs=1)
    record = finetune(
        dataclasses.replace(job, data=root, run=tmp_path / "r", recipe=one_epoch), listens
    )
    assert record.num_photos == {"train": 18, "val": 6, "test": 9, "out": 1}
    for photo in load_split(tmp_path / "r").photos:
        is_leak = photo.path == "train/class_1/leak.png"
        assert photo.split == ("out" if is_leak else photo.path.split("/")[0])
    assert any("1 left out (copies" in line for line in listens.lines)


def test_unequal_classes_are_said_and_evened_out_unless_the_recipe_says_no(
    job, tmp_path, draw_reds, listens, quick
):
    root = draw_reds(tmp_path / "photos", num_per_class=(5, 20, 20))
    one_epoch = dataclasses.replace(quick, epochs=1)
    unequal = dataclasses.replace(job, data=root, recipe=one_epoch)
    for name in ("even", "again"):
        finetune(dataclasses.replace(unequal, run=tmp_path / name), listens)
    plain = dataclasses.replace(one_epoch, balance_ratio=0.0)
    finetune(dataclasses.replace(unequal, run=tmp_path / "plain", recipe=plain), listens)
    said = [line for line in listens.lines if line.startswith("classes are unequal: 3 training")]
    assert ["seen more often" in line for line in said] == [True, True, False]
    assert model_bytes(tmp_path / "even") == model_bytes(tmp_path / "again")
    assert model_bytes(tmp_path / "even") != model_bytes(tmp_path / "plain")


def test_a_zip_file_with_train_and_valid_alone_gives_its_test_photos_and_all_is_said(
    job, tmp_path, draw_reds, listens, quick
):
    for seed, (part, num) in enumerate({"train": 8, "valid": 2, "test": 0}.items()):
        draw_reds(tmp_path / "reds" / part, num_per_class=num, seed=seed)
    data = Path(shutil.make_archive(str(tmp_path / "reds"), "zip", tmp_path, "reds"))
    one_epoch = dataclasses.replace(quick, epochs=1)
    record = finetune(
        dataclasses.replace(job, data=data, run=tmp_path / "r", recipe=one_epoch), listens
    )
    assert record.num_photos == {"train": 21, "val": 6, "test": 3, "out": 0}
    assert record.data == str(data)
    assert listens.lines[0] == (
        f"{data} (entered reds/): split already, train/ is train (24), valid/ is val (6); "
        "30 photos of 3 classes"
    )
    assert "no photos for test: taken from train (test_ratio of the recipe)" in listens.lines
    assert {photo.path.split("/")[0] for photo in load_split(tmp_path / "r").photos} == {
        "train", "valid",
    }  # fmt: skip


def test_a_photo_in_two_classes_stops_a_run_or_is_dropped_and_recorded_or_kept(
    job, tmp_path, draw_reds, quick
):
    root = draw_reds(tmp_path / "photos")
    shutil.copyfile(root / "class_0/3.png", root / "class_2/x.png")
    stop = dataclasses.replace(
        job, data=root, run=tmp_path / "r", recipe=dataclasses.replace(quick, epochs=1)
    )
    with pytest.raises(DatasetError, match=r"class_0/3\.png  =  .*class_2/x\.png"):
        finetune(stop)
    assert not (tmp_path / "r").exists()
    assert finetune(dataclasses.replace(stop, conflicts="drop")).num_photos["out"] == 2
    assert load_run(tmp_path / "r").conflicts == "drop"
    left_out = [p.path for p in load_split(tmp_path / "r").photos if p.split == "out"]
    assert left_out == ["class_0/3.png", "class_2/x.png"]
    keeps = dataclasses.replace(stop, conflicts="keep", run=tmp_path / "k")
    assert finetune(keeps).num_photos["out"] == 0
    with pytest.raises(TrainError, match="same --conflicts as before: drop, not keep"):
        finetune(dataclasses.replace(stop, conflicts="keep", resume=True))
    with pytest.raises(ConfigError, match="--conflicts ask: accepted are stop, drop, keep"):
        finetune(dataclasses.replace(stop, conflicts="ask"))


@pytest.mark.parametrize(
    "left",
    [
        ("lock", "pixels.cache"),
        ("lock", "pixels.cache", ".split.json.a1b2.unfinished"),
        ("lock", "pixels.cache", "split.json", ".run.json.a1b2.unfinished"),
    ],
)
def test_a_run_killed_before_it_has_a_record_can_be_started_again(job, record, tmp_path, left):
    run = tmp_path / "r"
    run.mkdir()
    for name in left:
        (run / name).write_bytes(b"half")
    finetune(dataclasses.replace(job, run=run, resume=True))
    assert model_bytes(run) == model_bytes(job.run)


def test_a_run_of_another_version_is_named_so_also_if_its_recipe_has_other_keys(
    job, record, tmp_path
):
    text = (job.run / "run.json").read_text().replace('"run_version": 1', '"run_version": 2')
    (tmp_path / "run.json").write_text(text.replace('"epochs"', '"num_epochs"'))
    with pytest.raises(TrainError, match="run_version 2, but this edgecat reads 1"):
        load_run(tmp_path)


def test_a_record_of_a_run_that_could_stop_early_still_reads(job, record, tmp_path):
    text = (job.run / "run.json").read_text().replace('"epochs"', '"patience": 10, "epochs"')
    (tmp_path / "run.json").write_text(text)
    assert load_run(tmp_path) == record


def test_all_epochs_are_learned_also_if_the_first_is_never_surpassed(job, quick, tmp_path):
    still = dataclasses.replace(quick, epochs=12, rate=1e-12, backbone_rate=1e-12)
    finetune(dataclasses.replace(job, run=tmp_path / "r", recipe=still))
    assert len((tmp_path / "r" / "metrics.csv").read_text().splitlines()) == 1 + 12


def test_a_run_inside_its_own_data_is_refused(job, photos, tmp_path):
    shutil.copytree(photos, tmp_path / "photos")
    for name in ("run", "class_0/run"):
        with pytest.raises(TrainError, match="inside"):
            finetune(
                dataclasses.replace(job, data=tmp_path / "photos", run=tmp_path / "photos" / name)
            )


def test_the_curve_of_the_training_loss_says_what_it_is_of(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr("edgecat.train.plots._save", lambda figure, path: drawn.append(figure))
    row = {"epoch": 1, "train_loss": 9.0, "val_loss": 1.0, "val_top1_ratio": 0.5}
    plot_curves([row], 1, tmp_path / "curves.png")
    losses = drawn[0].axes[0]
    assert [line.get_label() for line in losses.lines] == [
        "training (smoothed labels, or a teacher's answers)",
        "validation (labels)",
    ]
    assert losses.get_ylabel() == ""  # of a teacher's answers it is no cross-entropy


def test_a_label_with_dollars_can_be_drawn(tmp_path):
    plot_confusion(np.eye(2, dtype=np.int64), ("$^$ x", "plain"), tmp_path / "confusion.png")
    assert (tmp_path / "confusion.png").exists()


def test_a_class_folder_whose_name_is_no_text_is_refused_before_any_work(job, photos, tmp_path):
    shutil.copytree(photos, tmp_path / "photos")
    (tmp_path / "photos" / "class_1").rename(tmp_path / "photos" / os.fsdecode(b"caf\xe9"))
    with pytest.raises(DatasetError):
        finetune(dataclasses.replace(job, data=tmp_path / "photos", run=tmp_path / "r"))
