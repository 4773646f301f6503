"""What fine-tuning takes of a review."""

import pytest

from edgecat.errors import ConfigError, DatasetError
from edgecat.keep.choice import SAMPLE_RATIO, draw_from
from edgecat.keep.decisions import Decision, format_decision
from edgecat.keep.kept import DECISIONS, PHOTOS
from edgecat.keep.reviewed import check_new_classes, check_unchanged, load_reviewed
from edgecat.photos.folder import LabelledPhoto
from tests.keep.conftest import draw

TIME = "2026-11-28T10:20:30.000+00:00"
RATIOS = {"val_ratio": 0.15, "test_ratio": 0.15}


def decide(place, seed, kind="label", label="Persian"):
    decision = Decision(draw(seed)[1], kind, TIME, label if kind == "label" else None)
    with (place.folder / DECISIONS).open("ab") as file:
        file.write(format_decision(decision))


def test_the_photos_with_a_label_are_taken_the_oldest_first(keep, place):
    keep(*range(6))
    for seed in (4, 1, 0):
        decide(place, seed, label=f"label {seed}")
    decide(place, 2, "skip")
    decide(place, 3, "remove")
    decide(place, 5)
    decide(place, 5, "undo")
    reviewed = load_reviewed(place.folder, **RATIOS)
    assert [photo.label for photo in reviewed.photos] == ["label 0", "label 1", "label 4"]
    assert (reviewed.num_gone, reviewed.num_others) == (0, 2)
    assert "3 reviewed photos, 2 skipped or left out" in reviewed.describe()


def test_photos_that_are_gone_are_told_and_left_out(keep, place):
    keep(0, 1)
    decide(place, 0)
    decide(place, 1)
    (place.folder / PHOTOS / f"{draw(0)[1]}.png").unlink()
    reviewed = load_reviewed(place.folder, **RATIOS)
    assert (len(reviewed.photos), reviewed.num_gone) == (1, 1)
    assert "1 with a label are gone" in reviewed.describe()
    (place.folder / PHOTOS / f"{draw(1)[1]}.png").unlink()
    with pytest.raises(DatasetError, match="no photo with a label any more, 2 were deleted since"):
        load_reviewed(place.folder, **RATIOS)


def test_a_photo_is_for_the_same_however_many_are_reviewed_later(keep, place):
    splits = []
    for num in (20, 60):
        keep(*range(num))
        for seed in range(num):
            decide(place, seed)
        photos = load_reviewed(place.folder, **RATIOS).photos
        splits.append({photo.path: photo.split for photo in photos})
    early, late = splits
    assert early.items() <= late.items()
    assert {*late.values()} == {"train", "val", "test"}


def test_the_sample_is_for_all_three_purposes(keep, place):
    seeds = [n for n in range(3000) if draw_from(draw(n)[1][:8]) < SAMPLE_RATIO]
    keep(*seeds)
    for seed in seeds:
        decide(place, seed)
    found = {photo.split for photo in load_reviewed(place.folder, **RATIOS).photos}
    assert found == {"train", "val", "test"}


def test_no_label_at_all_is_refused(keep, place, tmp_path):
    keep(0)
    decide(place, 0, "skip")
    with pytest.raises(DatasetError, match="edgecat review"):
        load_reviewed(place.folder, **RATIOS)
    with pytest.raises(DatasetError, match="holds no kept photos"):
        load_reviewed(tmp_path / "elsewhere", **RATIOS)


def photos(label, num, split="train"):
    return [LabelledPhoto(f"{label}{number}", label, split) for number in range(num)]


def test_new_classes_need_photos_of_which_some_train():
    found = [*photos("Sphynx", 1), *photos("cat flap", 5), *photos("Another", 6)]
    assert check_new_classes({"Sphynx", "Persian"}, found, 5) == ("Another", "cat flap")
    with pytest.raises(DatasetError, match=r"'cat flap' \(4\)"):
        check_new_classes({"Persian"}, photos("cat flap", 4), 5)
    with pytest.raises(DatasetError, match="fall to validation or test"):
        check_new_classes({"Persian"}, photos("cat flap", 5, "test"), 5)


@pytest.mark.parametrize("label", ["persian", "a/b", "con"])
def test_a_new_class_that_nobody_could_tell_or_name_is_refused(label):
    with pytest.raises(ConfigError, match="choose"):
        check_new_classes({"Persian"}, photos(label, 9), 5)


def test_a_photo_that_was_changed_since_is_refused(keep, place):
    keep(0)
    decide(place, 0)
    found = load_reviewed(place.folder, **RATIOS).photos
    check_unchanged(found, [draw(0)[1]])
    with pytest.raises(DatasetError, match="changed since they were reviewed"):
        check_unchanged(found, [draw(1)[1]])
