"""Which photos set the ranges."""

from collections import Counter

import pytest

from edgecat.errors import QuantizeError
from edgecat.photos.split import Split, SplitPhoto
from edgecat.quantize.calibration import NUM_CALIBRATION, choose_calibration


def make_split(**num_of_label):
    """Of each class so many training photos, and as many to validate and test with."""
    return Split(
        seed=0,
        num_duplicates=0,
        photos=tuple(
            SplitPhoto(f"{label}/{split}{i}.jpg", label, "", split)
            for label, num in num_of_label.items()
            for i in range(num)
            for split in ("train", "val", "test", "out")
        ),
    )


def labels_of(split, positions):
    return Counter(split.photos[position].label for position in positions)


@pytest.mark.parametrize(
    ("num_of_label", "chosen"),
    [
        ({"a": 400, "b": 400, "c": 400}, {"a": 100, "b": 100, "c": 100}),
        ({"a": 1000, "b": 20}, {"a": 280, "b": 20}),
        ({"a": 10, "b": 20}, {"a": 10, "b": 20}),
        ({"a": 1}, {"a": 1}),
    ],
    ids=["even", "a small class", "fewer than wanted", "one photo"],
)
def test_classes_are_chosen_evenly(num_of_label, chosen):
    split = make_split(**num_of_label)
    assert labels_of(split, choose_calibration(split, seed=0)) == chosen


def test_more_classes_than_photos():
    split = make_split(**{f"c{i:03}": 2 for i in range(NUM_CALIBRATION + 20)})
    assert max(labels_of(split, choose_calibration(split, seed=0)).values()) == 1


def test_only_training_photos_are_chosen_each_once():
    split = make_split(a=200, b=200)
    positions = choose_calibration(split, seed=0)
    assert len(set(positions)) == len(positions) == NUM_CALIBRATION
    assert {split.photos[position].split for position in positions} == {"train"}


def test_the_seed_decides():
    split = make_split(a=400, b=400)
    assert choose_calibration(split, seed=1) == choose_calibration(split, seed=1)
    assert choose_calibration(split, seed=1) != choose_calibration(split, seed=2)


def test_a_class_without_training_photo_is_refused():
    split = make_split(a=5)
    alone = SplitPhoto("b/1.jpg", "b", "", "test")
    with pytest.raises(QuantizeError, match="b"):
        choose_calibration(Split(0, 0, (*split.photos, alone)), seed=0)
