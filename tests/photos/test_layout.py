"""How people arrange their photos: what is understood, what is said of it, what is refused."""

import time

import pytest

from edgecat.errors import DatasetError
from edgecat.photos.folder import load_folder, load_training_folder
from edgecat.photos.layout import split_of

# Twice what the slowest machine of CI takes for a listing of 20,000 files, in units of what the
# system itself takes to list them: see the test.
MAX_RATIO_TO_LISTING = 60


def make(root, *paths, data=b"x"):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)


def make_split(root, **splits):
    """Make folders of splits: name = photos of each of the classes cat and dog."""
    for name, num in splits.items():
        (root / name).mkdir(parents=True)
        make(root, *(f"{name}/{label}/{n}.jpg" for label in ("cat", "dog") for n in range(num)))


def splits_of(root):
    return {photo.split for photo in load_folder(root).photos}


NAMES = {
    "train": "train Train TRAIN training Training training_set train_set seg_train train-data",
    "val": "val Val valid Valid validation Validation dev val_set validation_set valid_images",
    "test": "test Test TEST testing Testing test_set seg_test eval evaluation",
    None: "trains testament tested cat pretrain validity developer train1 evaluate",
}


@pytest.mark.parametrize(
    ("split", "name"), [(split, name) for split, row in NAMES.items() for name in row.split()]
)
def test_the_usual_names_of_splits_are_known_in_any_case_and_no_others(split, name):
    assert split_of(name) == split


READY = {
    "Roboflow": ({"train": 6, "valid": 2, "test": 2}, {"train", "val", "test"}),
    "Kaggle": ({"Training": 6, "Validation": 2, "Testing": 2}, {"train", "val", "test"}),
    "Ultralytics": ({"train": 6, "val": 2}, {"train", "val"}),
    "no val": ({"train": 6, "Test": 2}, {"train", "test"}),
    "train alone": ({"train": 6}, {"train"}),
    "an empty test": ({"train": 6, "val": 2, "test": 0}, {"train", "val"}),
}


@pytest.mark.parametrize(("folders", "splits"), READY.values(), ids=READY)
def test_a_ready_split_is_understood_by_its_usual_names_whole_or_not(tmp_path, folders, splits):
    make_split(tmp_path, **folders)
    folder = load_training_folder(tmp_path)
    assert {photo.split for photo in folder.photos} == splits
    assert {photo.label for photo in folder.photos} == {"cat", "dog"}
    assert "split already" in folder.understood
    assert all(f"{name}/ is " in folder.understood for name, num in folders.items() if num)
    for split in {"val", "test"} - splits:
        assert any(f"no photos for {split}: taken from train" in note for note in folder.notes)


def test_an_empty_split_is_taken_as_not_there_and_that_is_said(tmp_path):
    make_split(tmp_path, train=5, val=1, test=0)
    assert "test/ has no class folder with photos: taken as if not there" in (
        load_folder(tmp_path).notes
    )


def test_unlabelled_test_photos_are_no_test_split_and_that_is_said(tmp_path):
    make_split(tmp_path, train=5)
    make(tmp_path, "test/1.jpg", "test/2.jpg")
    notes = load_training_folder(tmp_path).notes
    assert "files in no class folder, not used: 'test/1.jpg', 'test/2.jpg'" in notes
    assert any("no photos for test" in note for note in notes)


def test_one_class_that_is_called_as_a_split_is_a_class(tmp_path):
    make(tmp_path, "train/1.jpg", "bus/1.jpg", "car/1.jpg")
    assert {photo.label for photo in load_folder(tmp_path).photos} == {"train", "bus", "car"}


REFUSED = {
    "more beside splits": (["train/a/1", "test/a/1", "docs/a/1"], "test, train.* beside docs"),
    "a split twice": (["val/a/1", "valid/a/1", "train/a/1"], "val/ and valid/ both mean val/"),
    "two cases": (["Train/a/1", "train/a/1"], "Train/ and train/ both mean train/"),
    "splits in classes": (["a/train/1", "a/test/1", "b/train/1"], "splits stand above classes"),
    "photos for boxes": (
        ["images/train/1.jpg", "images/val/1.jpg", "labels/train/1.txt"],
        "images/ holds train, val, so it is no class folder",
    ),
    "no class folders": (["train/1.jpg", "test/1.jpg"], "one sub-folder per class"),
}


@pytest.mark.parametrize(("paths", "words"), REFUSED.values(), ids=REFUSED)
def test_what_is_half_a_split_is_refused_not_taken_for_classes(tmp_path, paths, words):
    make(tmp_path, *paths)
    with pytest.raises(DatasetError, match=words):
        load_folder(tmp_path)


@pytest.mark.parametrize("split", ["val", "test"])
def test_a_class_that_no_training_photo_shows_is_refused_by_name(tmp_path, split):
    make_split(tmp_path, train=6, val=2, test=2)
    make(tmp_path, *(f"{split}/lynx_cat/{n}.jpg" for n in range(2)))
    with pytest.raises(DatasetError, match=f"'lynx cat' in {split}, but none in train"):
        load_training_folder(tmp_path)
    assert len(load_folder(tmp_path).photos) == 22  # to measure with, it is fine


def test_a_class_without_test_photos_is_told(tmp_path):
    make_split(tmp_path, train=6, val=2, test=2)
    make(tmp_path, *(f"train/lynx/{n}.jpg" for n in range(6)))
    assert load_training_folder(tmp_path).notes == (
        "no photo in val of 'lynx'", "no photo in test of 'lynx'",
    )  # fmt: skip


def test_test_photos_alone_can_be_measured_but_not_learned_from(tmp_path):
    make_split(tmp_path, test=6)
    assert splits_of(tmp_path) == {"test"}
    with pytest.raises(DatasetError, match="no photos to train with"):
        load_training_folder(tmp_path)


# Folders around the classes


def labels_and_top(root):
    folder = load_folder(root)
    top = folder.root.relative_to(root).as_posix()
    return {photo.label for photo in folder.photos}, top, folder.understood


@pytest.mark.parametrize("top", ["cats-master", "archive/data/pets"])
def test_folders_that_only_wrap_the_classes_are_entered_and_that_is_said(tmp_path, top):
    make(tmp_path, f"{top}/cat/1.jpg", f"{top}/dog/1.jpg", "__MACOSX/cat/._1.jpg", ".DS_Store")
    make(tmp_path, "README.md", f"{top}/LICENCE.txt")
    labels, entered, understood = labels_and_top(tmp_path)
    assert (labels, entered) == ({"cat", "dog"}, top)
    assert f"(entered {top}/)" in understood
    assert load_folder(tmp_path).notes == (
        f"files in no class folder, not used: 'README.md', '{top}/LICENCE.txt'",
    )


def test_a_wrapped_split_is_understood_and_so_are_wrappers_within_it(tmp_path):
    make_split(tmp_path / "archive", training_set=6, test_set=2)
    for name in ("training_set", "test_set"):
        inner = tmp_path / "archive" / name
        inner.rename(tmp_path / "moved")
        inner.mkdir()
        (tmp_path / "moved").rename(inner / name)
    folder = load_training_folder(tmp_path)
    assert {photo.split for photo in folder.photos} == {"train", "test"}
    assert folder.root == tmp_path / "archive"


@pytest.mark.parametrize("level", ["images", "2019/may"])
def test_a_level_between_class_and_photos_is_no_wrapper(tmp_path, level):
    make(tmp_path, f"cat/{level}/1.jpg", f"dog/{level}/1.jpg")
    assert labels_and_top(tmp_path)[:2] == ({"cat", "dog"}, ".")


@pytest.mark.parametrize("paths", [["cat/images/1.jpg"], ["cat/1.jpg", "cat/a/2.jpg", "cat/b/3"]])
def test_a_single_class_is_no_wrapper(tmp_path, paths):
    make(tmp_path, *paths)
    assert labels_and_top(tmp_path)[:2] == ({"cat"}, ".")


def test_an_empty_class_folder_is_left_out_and_that_is_said(tmp_path):
    make(tmp_path, "cat/1.jpg", "dog/1.jpg")
    (tmp_path / "lynx" / "deep").mkdir(parents=True)
    assert load_folder(tmp_path).notes == ("class folders without a photo, left out: 'lynx'",)


def test_folders_without_end_are_refused(tmp_path):
    make(tmp_path, "/".join(["a"] * 40) + "/1.jpg")
    with pytest.raises(DatasetError, match="more than 32 deep"):
        load_folder(tmp_path)


@pytest.mark.slow
def test_a_folder_of_many_photos_is_listed_about_as_fast_as_the_system_lists_it(tmp_path):
    for label in ("cat", "dog"):
        (tmp_path / label).mkdir()
        for number in range(10_000):
            (tmp_path / label / f"{number}.jpg").touch()
    started = time.perf_counter()
    listed = [name for label in ("cat", "dog") for name in sorted((tmp_path / label).iterdir())]
    listing_s = time.perf_counter() - started
    started = time.perf_counter()
    assert len(load_folder(tmp_path).photos) == len(listed)
    assert time.perf_counter() - started < MAX_RATIO_TO_LISTING * listing_s
