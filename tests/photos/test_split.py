import io
import json
import time

import numpy as np
import pytest
from PIL import Image

from edgecat.errors import DatasetError
from edgecat.photos.pixels import scale_photo
from edgecat.photos.split import (
    MIN_PHOTOS,
    Split,
    SplitPhoto,
    check_classes,
    find_near,
    fingerprint_photo,
    group_photos,
    keep_ready_split,
    split_photos,
)

SPLITS = {"train", "val", "test"}


def test_near_are_all_pairs_that_differ_in_at_most_32_of_256_bits_wherever_these_are():
    rng = np.random.default_rng(0)
    bits = [rng.integers(0, 2, 256, dtype=np.uint8)]
    for num in (1, 31, 32, 33, 40):
        for places in (range(num), range(256 - num, 256), rng.permutation(256)[:num]):
            changed = bits[0].copy()
            changed[list(places)] ^= 1
            bits.append(changed)
    fingerprints = [np.packbits(one).view(np.uint64) for one in bits]
    expected = [
        (i, j)
        for i in range(len(bits))
        for j in range(i + 1, len(bits))
        if (bits[i] != bits[j]).sum() <= 32
    ]
    assert len(expected) > 20
    assert [(i, j) for i, near in find_near(fingerprints) for j in near] == expected


def test_thousands_of_frames_of_one_scene_take_little_longer_to_group_than_to_compare():
    """A camera that stands still: every frame is near every other, 18 million pairs."""
    frames = [np.zeros(4, np.uint64)] * 6000
    started_s = time.process_time()
    num_pairs = sum(len(near) for _, near in find_near(frames))
    compared_s = time.process_time()
    assert group_photos(frames) == [0] * len(frames)
    assert num_pairs == len(frames) * (len(frames) - 1) / 2
    assert time.process_time() - compared_s < 3 * (compared_s - started_s)


def test_groups_are_joined_by_whatever_lies_between_them():
    chain = np.zeros((12, 256), np.uint8)  # each 20 bits from the next, 40 from the one behind that
    for number, bits in enumerate(chain):
        bits[: 20 * number] = 1
    fingerprints = [np.packbits(bits).view(np.uint64) for bits in chain]
    order = np.random.default_rng(0).permutation(12)
    stranger = np.packbits(np.arange(256) % 2).view(np.uint64)
    found = group_photos([stranger, *(fingerprints[i] for i in order)])
    assert found == [0, *[1] * 12]


def blotches(rng, size=(320, 240)):
    picture = Image.fromarray(rng.integers(0, 256, (10, 10, 3), dtype=np.uint8))
    return picture.resize(size, Image.Resampling.BICUBIC)


def again(image, size, quality):
    """The same picture as another program would save it."""
    buffer = io.BytesIO()
    image.resize(size, Image.Resampling.LANCZOS).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def fingerprint(photo):
    return fingerprint_photo(scale_photo(photo))


def deal(labels, groups=None, *, seed=0, val_ratio=0.15, test_ratio=0.15):
    groups = list(range(len(labels))) if groups is None else groups
    return split_photos(labels, groups, seed=seed, val_ratio=val_ratio, test_ratio=test_ratio)


def test_the_same_seed_gives_the_same_split_and_another_one_another():
    labels = ["a"] * 40 + ["b"] * 40
    assert deal(labels, seed=3) == deal(labels, seed=3)
    assert deal(labels, seed=3) != deal(labels, seed=4)


def test_each_class_is_shared_out_as_asked():
    labels = ["a"] * 100 + ["b"] * 20
    splits = deal(labels, val_ratio=0.2, test_ratio=0.1)
    for label, wanted in (("a", (70, 20, 10)), ("b", (14, 4, 2))):
        own = [split for split, other in zip(splits, labels, strict=True) if other == label]
        assert tuple(own.count(split) for split in ("train", "val", "test")) == wanted


def test_a_class_is_split_whatever_the_order_of_the_photos():
    labels = ["a", "b"] * 20
    assert set(deal(labels)[::2]) == set(deal(labels)[1::2]) == SPLITS


@pytest.mark.parametrize("seed", range(30))
def test_groups_stay_whole_and_every_class_is_in_every_split(seed):
    """Random classes and random groups of near-duplicates, large ones among them."""
    rng = np.random.default_rng(seed)
    labels, groups = [], []
    for label in "abc":
        for size in rng.choice([1, 1, 1, 2, 5, 60], rng.integers(MIN_PHOTOS, 12)):
            group = len(labels)
            labels += [label] * size
            groups += [group] * size
    ratios = {
        "val_ratio": rng.choice([0.05, 0.15, 0.3]),
        "test_ratio": rng.choice([0.05, 0.15, 0.3]),
    }
    splits = deal(labels, groups, seed=seed, **ratios)
    assert set(splits) == SPLITS
    assert len(set(zip(groups, splits, strict=True))) == len(set(groups))
    for label in "abc":
        assert {s for s, other in zip(splits, labels, strict=True) if other == label} == SPLITS


def test_four_photos_and_a_burst_still_reach_every_split():
    labels = ["a"] * 104 + ["b"] * 5
    groups = [0, 1, 2, 3] + [4] * 100 + [104, 105, 106, 107, 108]
    assert set(deal(labels, groups)[:104]) == SPLITS


@pytest.mark.parametrize("seed", range(5))
def test_a_photo_saved_again_never_straddles_two_splits(seed):
    rng = np.random.default_rng(seed)
    prints, labels, originals = [], [], []
    for number in range(24):
        image = blotches(rng)
        for size, quality in (((320, 240), 95), ((160, 120), 60), ((500, 375), 30))[
            : rng.integers(1, 4)
        ]:
            prints.append(fingerprint(again(image, size, quality)))
            labels.append("ab"[number % 2])
            originals.append(number)
    groups = group_photos(prints)
    # Two photos are in one group exactly when they are of the same picture.
    assert len(set(groups)) == len(set(originals)) == len(set(zip(groups, originals, strict=True)))
    splits = deal(labels, groups, seed=seed)
    assert len(set(zip(originals, splits, strict=True))) == len(set(originals))


def test_exact_duplicates_are_one_group_also_across_classes():
    rng = np.random.default_rng(0)
    prints = [fingerprint(blotches(rng)) for _ in range(4)]
    assert group_photos([*prints, prints[2], prints[0]]) == [0, 1, 2, 3, 2, 0]


def test_a_chain_of_near_photos_is_one_group():
    """Frames of a film: each is near the next, the first and the last are far apart."""
    plain = np.zeros(4, np.uint64)
    steps = [plain.copy() for _ in range(4)]
    for number, step in enumerate(steps):
        step[: number + 1] = [2**20 - 1] * (number + 1)
    assert group_photos([steps[0], steps[3], steps[1], steps[2]]) == [0, 0, 0, 0]


def test_photos_that_differ_in_every_bit_are_not_near():
    nothing = np.zeros(4, np.uint64)
    assert group_photos([nothing, ~nothing]) == [0, 1]


def test_a_fingerprint_has_256_bits_and_ignores_brightness():
    image = blotches(np.random.default_rng(0))
    first = fingerprint(image)
    darker = fingerprint(image.point(lambda value: value // 2))
    assert (first.dtype, first.shape) == (np.uint64, (4,))
    assert group_photos([first, darker]) == [0, 0]


def test_a_ready_split_loses_its_leaks():
    splits = ["train", "train", "train", "val", "val", "test", "test", "train"]
    groups = [0, 1, 2, 1, 4, 2, 4, 0]
    assert keep_ready_split(splits, groups) == [
        "train", "out", "out", "val", "out", "test", "test", "train",
    ]  # fmt: skip


def test_a_clean_ready_split_is_left_as_it_is():
    splits = ["train", "val", "test"]
    assert keep_ready_split(splits, [0, 1, 2]) == splits


REFUSED = {
    "one class": (["a"] * 10, None, "one class only"),
    "too few": (["a"] * 10 + ["b"] * 4, None, r"too few photos in 'b' \(4\)"),
    "all too few": (["a", "b"], None, r"'a' \(1\), 'b' \(1\)"),
    "too few that differ": (
        ["a"] * 10 + ["b"] * 10, [*range(10), *[10] * 7, 17, 18, 19], "'b' has 10 .*, but only 4",
    ),
    "all are photos of another class": (["a"] * 10 + ["b"] * 10, [*range(10)] * 2, "'b' has 10"),
}  # fmt: skip


@pytest.mark.parametrize(("labels", "groups", "message"), REFUSED.values(), ids=REFUSED)
def test_too_little_to_learn_from_is_refused(labels, groups, message):
    with pytest.raises(DatasetError, match=message):
        deal(labels, groups)


def test_the_smallest_data_set_is_split():
    assert set(deal(["a"] * MIN_PHOTOS + ["b"] * MIN_PHOTOS)) == SPLITS
    check_classes({"a": MIN_PHOTOS, "b": MIN_PHOTOS})


STRANGE = ["a/1.jpg", 'q"uo\\te\n.jpg', "고양이/é .jpg", "\udcff.jpg", "\u2028.jpg", ", ].jpg"]
SPLIT = Split(
    seed=7,
    num_duplicates=1,
    photos=tuple(
        SplitPhoto(path, "Maine Coon", "0" * 64, split)
        for path, split in zip(
            STRANGE, ["train", "val", "test", "out", "train", "train"], strict=True
        )
    ),
)


def test_a_split_survives_its_text_with_strange_file_names():
    assert Split.from_json(SPLIT.to_json(), "w") == SPLIT


def test_a_splits_text_can_be_written_to_a_file(tmp_path):
    """Linux allows file names that are no UTF-8; Python reads them with surrogates."""
    path = tmp_path / "split.json"
    path.write_bytes(SPLIT.to_json().encode())
    assert Split.from_json(path.read_text(encoding="utf-8"), "w") == SPLIT


def test_a_splits_text_has_a_line_a_photo():
    plain = Split(0, 0, (SplitPhoto("a", "b", "c", "train"), SplitPhoto("d", "b", "e", "val")))
    assert len(plain.to_json().splitlines()) == 4
    assert json.loads(plain.to_json())["photos"][1]["path"] == "d"


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"seed": 1}', "[" * 100_000])
def test_what_is_no_split_is_refused(text):
    with pytest.raises(DatasetError, match=r"^here: "):
        Split.from_json(text, "here")


def test_positions_and_labels_of_a_split():
    assert SPLIT.indices("train") == [0, 4, 5]
    assert SPLIT.indices("test") == [2]
    assert SPLIT.labels() == ("Maine Coon",)
