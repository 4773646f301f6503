"""A run that starts from another one's network, edited: what it inherits, and what it refuses."""

import contextlib
import dataclasses
import json
import shutil

import pytest

torch = pytest.importorskip("torch", reason="needs torch (edgecat[train])")

from safetensors.torch import load_file  # noqa: E402

from edgecat.cli.main import _run  # noqa: E402
from edgecat.errors import ConfigError, TrainError  # noqa: E402
from edgecat.photos.folder import load_training_folder  # noqa: E402
from edgecat.photos.input import FIRST  # noqa: E402
from edgecat.progress import Silent  # noqa: E402
from edgecat.train.architecture import find_architecture  # noqa: E402
from edgecat.train.cache import open_cache  # noqa: E402
from edgecat.train.data import split_data  # noqa: E402
from edgecat.train.finetune import finetune  # noqa: E402
from edgecat.train.finished import load_checkpoint  # noqa: E402
from edgecat.train.origins import AddedRecord, TeacherRecord, UnlabelledRecord  # noqa: E402
from edgecat.train.parent import describe_scores, inherit, inherit_recipe  # noqa: E402
from edgecat.train.photo_store import PhotoStore  # noqa: E402
from edgecat.train.run import load_run, load_split  # noqa: E402
from edgecat.train.session import Session  # noqa: E402
from edgecat.train.teacher import ask_teacher, open_teacher  # noqa: E402

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]  # trains

EDITS = ("no-se", "no-hidden-head", "side:128")

# Rates at which a run of two epochs leaves its weights as they are, to float32.
STILL = {"rate": 1e-12, "backbone_rate": 1e-12, "weight_decay": 0.0}


class Dies(Silent):
    """Progress that ends a run in its second epoch."""

    @contextlib.contextmanager
    def phase(self, name, num_steps):
        def step():
            if name.startswith("epoch 2"):
                raise KeyboardInterrupt

        yield step


@pytest.fixture(scope="module")
def parent(job):
    finetune(job)
    return job.run


@pytest.fixture(scope="module")
def lean_job(job, parent):
    recipe = dataclasses.replace(inherit_recipe(load_run(parent), EDITS), **STILL)
    asked = dataclasses.replace(job, run=job.run.parent / "lean", recipe=recipe, seed=0)
    return inherit(asked, parent, EDITS)


@pytest.fixture(scope="module")
def lean(lean_job):
    """A finished lean run, and what it said."""
    lines = []
    progress = Silent()
    progress.say = lines.append
    finetune(lean_job, progress)
    return lean_job.run, lines


def elsewhere(job, folder, **changes):
    return dataclasses.replace(job, run=folder / "run", **changes)


def test_the_record_tells_the_edits_the_parent_and_the_score_before_it_learned(lean, parent):
    record, before = load_run(lean[0]), load_run(parent)
    assert record.arch == "mobilenet_v3_small+no-se+no-hidden-head+side:128"
    assert record.parent.run == str(parent)
    assert record.parent.arch == before.arch
    assert record.parent.val_top1_ratio == before.outcome.val_top1_ratio
    assert 0 <= record.edited_val_top1_ratio <= 1
    assert record.input.side_px == 128
    edited = f"{100 * record.edited_val_top1_ratio:.1f} %"
    assert any(line.endswith(f"edited, before it learns: {edited}") for line in lean[1])
    of_parent, of_edited, now = describe_scores(record)
    assert f"top-1, {parent}: " in of_parent
    assert of_edited.endswith(f"of 6 photos right, {edited})")
    assert "% (95 % interval; " in now
    assert describe_scores(before) == []


def test_it_has_the_parents_split_and_recipe_and_its_head_does_not_learn_alone(lean, parent):
    record, before = load_run(lean[0]), load_run(parent)
    assert record.seed == before.seed != 0
    assert load_split(lean[0]).photos == load_split(parent).photos
    assert record.recipe == dataclasses.replace(
        before.recipe, crop_side_px=37, head_epochs=0, **STILL
    )
    assert record.random == ()


def test_crops_are_as_large_a_part_of_the_input_as_before(parent):
    record = load_run(parent)
    assert record.recipe.crop_side_px == 64
    assert inherit_recipe(record, ()).crop_side_px == 64
    assert inherit_recipe(record, ("side:160",)).crop_side_px == 46
    small = dataclasses.replace(record.recipe, crop_side_px=48)
    halved = inherit_recipe(dataclasses.replace(record, recipe=small), ("side:128",))
    assert halved.crop_side_px == 32  # none is smaller
    own = dataclasses.replace(record.recipe, crop_side_px=record.input.side_px)
    whole = dataclasses.replace(record, recipe=own)
    assert inherit_recipe(whole, ("no-se", "side:160")).crop_side_px == 160


def test_it_starts_from_the_parents_trained_weights_edited(lean, parent):
    before, after = (load_file(run / "model.safetensors") for run in (parent, lean[0]))
    stem = "network.features.0.0.weight"
    assert torch.allclose(after[stem], before[stem], rtol=1e-4)
    projection = "network.features.4.block.3.0.weight"
    ratio = after[projection] / before[projection]
    assert 0 < ratio.min() < ratio.max() < 1  # the folded scale
    assert not [name for name in after if ".fc1." in name or "classifier.0" in name]


def test_a_lean_run_that_was_killed_goes_on_to_the_same_weights(lean, lean_job, tmp_path):
    stopped = elsewhere(lean_job, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        finetune(stopped, Dies())
    finetune(dataclasses.replace(stopped, resume=True))
    model = (stopped.run / "model.safetensors").read_bytes()
    assert model == (lean[0] / "model.safetensors").read_bytes()
    assert load_run(stopped.run).edited_val_top1_ratio == load_run(lean[0]).edited_val_top1_ratio


def test_a_lean_network_is_a_parent_too_and_opens_by_its_record(lean, lean_job, tmp_path):
    recipe = inherit_recipe(load_run(lean[0]), ())
    job = inherit(elsewhere(lean_job, tmp_path, recipe=recipe), lean[0], ("drop-block:6",))
    finetune(job)
    checkpoint = load_checkpoint(job.run)
    assert checkpoint.record.arch.endswith("+side:128+drop-block:6")
    assert checkpoint.network.input.side_px == 128


def test_other_photos_than_the_parents_are_refused(lean_job, photos, draw_reds, tmp_path):
    folder = shutil.copytree(photos, tmp_path / "photos")
    draw_reds(tmp_path / "more", num_per_class=1, seed=9)
    (tmp_path / "more/class_0/0.png").rename(folder / "class_0/new.png")
    with pytest.raises(
        TrainError, match=r": 1 photos are new, gone, or in another class.* with its --list"
    ):
        finetune(elsewhere(lean_job, tmp_path, data=folder))


def test_classes_that_are_called_otherwise_are_refused(lean_job, photos, tmp_path):
    folder = shutil.copytree(photos, tmp_path / "photos")
    (folder / "class_0").rename(folder / "zebra")  # would be the last one's logit
    with pytest.raises(TrainError, match=": 20 photos are new, gone, or in another class"):
        finetune(elsewhere(lean_job, tmp_path, data=folder))


def test_photos_stay_in_their_splits_however_they_would_be_dealt_now(lean_job, parent, tmp_path):
    run = shutil.copytree(parent, tmp_path / "parent")
    split = load_split(run)
    places = {"train": "val", "val": "train"}
    swapped = [
        dataclasses.replace(photo, split=places.get(photo.split, photo.split))
        if photo.label == "class 0"
        else photo
        for photo in split.photos
    ]
    (run / "split.json").write_text(dataclasses.replace(split, photos=tuple(swapped)).to_json())
    finetune(elsewhere(lean_job, tmp_path, parent=run))
    assert load_split(tmp_path / "run").photos == tuple(swapped)


def test_a_recipe_that_splits_otherwise_is_refused(lean_job, parent, tmp_path):
    recipe = dataclasses.replace(lean_job.recipe, val_ratio=0.3)
    with pytest.raises(ConfigError, match=r"val_ratio 0\.3 with --from .* leave val_ratio out"):
        inherit(elsewhere(lean_job, tmp_path, recipe=recipe), parent, EDITS)


def test_an_edit_that_does_not_fit_is_refused_before_any_photo_is_read(job, parent, tmp_path):
    asked = inherit(elsewhere(job, tmp_path), parent, ("drop-block:4",))
    with pytest.raises(ConfigError, match="4 is no block with a shortcut"):
        finetune(asked)
    assert not asked.run.exists() or not any(asked.run.iterdir())


def test_another_parent_is_not_resumed(lean, lean_job, parent, tmp_path):
    run = shutil.copytree(lean[0], tmp_path / "run")
    values = json.loads((run / "run.json").read_text())
    values["parent"]["model_sha256"] = "0" * 64
    (run / "run.json").write_text(json.dumps(values))
    with pytest.raises(
        TrainError, match="--resume needs the same network of --from as before: mobil"
    ):
        finetune(elsewhere(lean_job, tmp_path, resume=True))


def test_a_parent_that_photos_were_added_to_is_refused(parent, job, tmp_path):
    run = shutil.copytree(parent, tmp_path / "run")
    added = AddedRecord("kept", {"train": 3, "val": 1, "test": 1, "out": 0}, 0, ())
    dataclasses.replace(load_run(run), added=added).save(run)
    with pytest.raises(
        TrainError, match=r"too \(--add kept\), on which an edited network does not"
    ):
        inherit(job, run, ())


def test_a_run_of_before_photos_were_shown_larger_is_neither_edited_nor_resumed(
    parent, job, tmp_path
):
    run = shutil.copytree(parent, tmp_path / "run")
    values = json.loads((run / "run.json").read_text())
    del values["input"]  # as the first runs have it
    (run / "run.json").write_text(json.dumps(values))
    assert load_run(run).input == load_checkpoint(run).network.input == FIRST
    with pytest.raises(TrainError, match=r"is 256 px, bilinear, those of this edgecat .* 264 px"):
        inherit(job, run, ())
    with pytest.raises(TrainError, match=r"--resume needs the same input as before: .* 256 px"):
        finetune(elsewhere(job, tmp_path, resume=True))


def test_its_teacher_is_the_parents_wherever_that_lies(parent, lean, job, tmp_path):
    known = TeacherRecord("timm/x", "imagenet", "0" * 64, 0.9, 0.9)
    taught, child = (shutil.copytree(run, tmp_path / run.name) for run in (parent, lean[0]))
    dataclasses.replace(load_run(taught), teacher=known).save(taught)
    with pytest.raises(TrainError, match="timm/x that does not lie in it; say where"):
        inherit(job, taught, ())
    assert inherit(dataclasses.replace(job, teacher="there"), taught, ()).teacher == "there"
    shutil.copytree(parent, taught / "teacher")
    assert inherit(job, taught, ()).teacher == str(taught / "teacher")
    record = load_run(child)
    of_child = dataclasses.replace(record.parent, run=str(taught))
    dataclasses.replace(record, teacher=known, parent=of_child).save(child)
    assert inherit(job, child, ()).teacher == str(taught / "teacher")


def test_its_photos_without_labels_are_the_parents_wherever_these_lie(parent, job, tmp_path):
    taught, camera = shutil.copytree(parent, tmp_path / "taught"), tmp_path / "camera"
    known = UnlabelledRecord("0" * 64, 7, 0, 0, folder=str(camera))
    dataclasses.replace(load_run(taught), unlabelled=known).save(taught)
    with pytest.raises(TrainError, match=f"7 photos without labels, too, .*{camera}; say where"):
        inherit(job, taught, ())
    moved = dataclasses.replace(job, unlabelled=tmp_path / "moved")
    assert inherit(moved, taught, ()).unlabelled == tmp_path / "moved"
    camera.mkdir()
    assert inherit(job, taught, ()).unlabelled == camera
    before = dataclasses.replace(known, folder=None)  # runs did not say where
    dataclasses.replace(load_run(taught), unlabelled=before).save(taught)
    with pytest.raises(TrainError, match="say where they are: --unlabelled DIR"):
        inherit(job, taught, ())


def test_a_run_that_was_moved_is_the_same_parent(lean, lean_job, parent, tmp_path):
    moved = shutil.copytree(parent, tmp_path / "moved")
    shutil.copytree(lean[0], tmp_path / "run")
    asked = inherit(dataclasses.replace(lean_job, parent=None), moved, EDITS)
    assert finetune(elsewhere(asked, tmp_path, resume=True)) == load_run(lean[0])


@pytest.fixture
def open_session(photos, job, tmp_path):
    """A function that opens a session of the parent's photos at the size of an input."""
    found = load_training_folder(photos).photos
    with contextlib.ExitStack() as stack:

        def open_at(side_px):
            spec = find_architecture(f"{job.arch}+side:{side_px}").input
            file = tmp_path / f"{side_px}.cache"
            opened = open_cache(file, found, spec, Silent(), skip_broken=False)
            data = split_data(photos, stack.enter_context(opened), job)
            recipe = dataclasses.replace(job.recipe, crop_side_px=side_px, num_views=2)
            store = PhotoStore(data, torch.device("cpu"))
            return Session(tmp_path, recipe, job.seed, data, store, Silent())

        yield open_at


def test_a_teacher_sees_photos_at_its_own_size_whatever_its_student_takes(
    parent, open_session, tmp_path
):
    folders = []
    for side_px in (128, 160):
        run = shutil.copytree(parent, tmp_path / f"teacher-{side_px}")
        session = open_session(side_px)
        teacher = open_teacher(run, session.data)
        folders.append(ask_teacher(teacher, session, torch.device("cpu")).folder)
    small, large = folders
    assert small.name == large.name
    assert sorted(file.name for file in small.iterdir()) == ["1.npz", "2.npz"]
    for file in small.iterdir():
        assert file.read_bytes() == (large / file.name).read_bytes()
    assert not list(tmp_path.glob("teacher*.cache"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--edit", "no-se"], "--edit no-se: of which network? Add --from RUN"),
        (["--from", "RUN", "--arch", "mobilenet_v3_large"], "--arch with --from "),
        (["--from", "RUN", "--seed", "3"], "--seed with --from "),
        (["--from", "RUN", "--preset", "good"], "--preset with --from "),
        (["--from", "nowhere"], "nowhere: no such folder; a run is what"),
        (["--from", "RUN", "--edit", "nose"], "edit nose: accepted are drop-block:N"),
    ],
)
def test_options_that_contradict_are_refused(parent, photos, tmp_path, capsys, options, message):
    options = [str(parent) if option == "RUN" else option for option in options]
    assert _run(["finetune", str(photos), "--out", str(tmp_path / "r"), *options]) in (2, 7)
    assert message in capsys.readouterr().err
