"""Reviewed photos join a run: its split stays, new labels become classes, scores stand apart."""

import dataclasses
import hashlib
import shutil

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch", reason="needs torch (edgecat[train])")

from edgecat.errors import ConfigError, DatasetError, TrainError  # noqa: E402
from edgecat.keep.decisions import Decision, format_decision  # noqa: E402
from edgecat.keep.kept import DECISIONS, PHOTOS  # noqa: E402
from edgecat.photos.folder import load_folder  # noqa: E402
from edgecat.train.finetune import finetune  # noqa: E402
from edgecat.train.outcome import OWN, REVIEWED  # noqa: E402
from edgecat.train.run import load_run, load_split  # noqa: E402

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]  # trains

TIME = "2026-11-28T10:20:30.000+00:00"
WHITE = "class white"


def review(folder, photos):
    """Put photos and labels into a folder as watch and review do: of each, bytes and label."""
    (folder / PHOTOS).mkdir(parents=True)
    with (folder / DECISIONS).open("ab") as file:
        for data, label in photos:
            sha256 = hashlib.sha256(data).hexdigest()
            (folder / PHOTOS / f"{sha256}.png").write_bytes(data)
            file.write(format_decision(Decision(sha256, "label", TIME, label)))
    return folder


@pytest.fixture(scope="module")
def whites(tmp_path_factory):
    """Thirty photos of a class that the data set lacks: bright blotches."""
    rng, found = np.random.default_rng(9), []
    for number in range(30):
        blotches = rng.integers(190, 256, (10, 10, 3), dtype=np.uint8)
        path = tmp_path_factory.mktemp("white") / f"{number}.png"
        Image.fromarray(blotches).resize((96, 72), Image.Resampling.BICUBIC).save(path)
        found.append((path.read_bytes(), WHITE))
    return found


@pytest.fixture(scope="module")
def reds(draw_reds, tmp_path_factory):
    """Twenty further photos of each known class."""
    folder = draw_reds(tmp_path_factory.mktemp("more") / "photos", 20, seed=77)
    return [(photo.read(), photo.label) for photo in load_folder(folder).photos]


@pytest.fixture(scope="module")
def run(job, whites, reds, tmp_path_factory):
    """A run with reviewed photos, and one of the same without."""
    kept = review(tmp_path_factory.mktemp("kept") / "kept", [*whites, *reds])
    plain = dataclasses.replace(job, run=job.run.parent / "plain")
    finetune(plain)
    added = dataclasses.replace(job, run=job.run.parent / "added", added=kept)
    finetune(added)
    return added


def test_the_split_of_the_data_set_is_that_of_a_run_without(run):
    plain, added = load_split(run.run.parent / "plain"), load_split(run.run)
    assert added.photos[: len(plain.photos)] == plain.photos
    assert len(added.photos) == len(plain.photos) + 90


def test_a_new_label_is_a_new_class(run):
    record = load_run(run.run)
    assert record.labels == ("class 0", "class 1", "class 2", WHITE)
    assert record.added.new_labels == (WHITE,)
    assert record.outcome.test_per_class[WHITE].num_images > 0


def test_old_and_new_test_photos_have_scores_of_their_own(run):
    record = load_run(run.run)
    own, reviewed = record.outcome.test_parts[OWN], record.outcome.test_parts[REVIEWED]
    assert own.num_images == load_run(run.run.parent / "plain").num_photos["test"]
    assert reviewed.num_images == record.added.num_photos["test"] > 0
    assert own.num_images + reviewed.num_images == record.outcome.num_test
    num_right = round(record.outcome.test_top1_ratio * record.outcome.num_test)
    assert own.num_right + reviewed.num_right == num_right
    low, high = reviewed.interval_ratio
    assert low <= reviewed.num_right / reviewed.num_images <= high


def test_a_run_with_reviewed_photos_can_be_exported(run, tmp_path):
    from edgecat.bundle.photo_record import load_photo_record
    from edgecat.bundle.store import load_bundle
    from edgecat.export.job import export_run

    out = tmp_path / "bundle"
    export_run(run.run, out)
    bundle = load_bundle(out)
    assert WHITE in bundle.spec.labels
    tested = [p.sha256 for p in load_split(run.run).photos if p.split == "test"]
    assert all(map(load_photo_record(bundle).was_tested, tested))


def test_photos_that_are_gone_are_told_and_a_resumed_run_has_the_same(run, listens, tmp_path):
    kept = shutil.copytree(run.added, tmp_path / "kept")
    next((kept / PHOTOS).iterdir()).unlink()
    other = dataclasses.replace(run, added=kept, resume=True)
    with pytest.raises(TrainError, match="photos"):
        finetune(other, listens)
    assert any("1 with a label are gone since" in line for line in listens.lines)


def test_copies_of_own_photos_are_left_out(job, photos, whites, listens, tmp_path):
    own = [(photo.read(), photo.label) for photo in load_folder(photos).photos]
    kept = review(tmp_path / "kept", [*own, *whites])
    record = finetune(dataclasses.replace(job, run=tmp_path / "run", added=kept), listens)
    assert record.added.num_photos["out"] == len(own)
    assert any("nearly the same as others" in line for line in listens.lines)


def test_too_few_photos_of_a_new_class_are_refused(job, whites, tmp_path):
    kept = review(tmp_path / "kept", whites[:4])
    with pytest.raises(DatasetError, match="at least 5"):
        finetune(dataclasses.replace(job, run=tmp_path / "run", added=kept))


def test_a_label_that_contradicts_the_data_set_is_refused(job, photos, tmp_path):
    first = load_folder(photos).photos[0]
    kept = review(tmp_path / "kept", [(first.read(), "class 2")])
    with pytest.raises(DatasetError, match="in two classes"):
        finetune(dataclasses.replace(job, run=tmp_path / "run", added=kept))


def test_an_edited_network_takes_no_reviewed_photos(job, tmp_path):
    asked = dataclasses.replace(job, run=tmp_path / "run", added=tmp_path, parent=tmp_path)
    with pytest.raises(ConfigError, match="--from"):
        finetune(asked)
