"""Photos that join a data set whose split stays."""

import dataclasses
import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgecat.errors import DatasetError
from edgecat.photos.added import FirstPhotos, add_photos
from edgecat.photos.divide import divide_photos
from edgecat.photos.folder import LabelledPhoto, PhotoFolder
from edgecat.photos.split import fingerprint_photo

ROOT = Path("/data")
SIDE_PX = 96


@dataclasses.dataclass
class Read:
    photos: list
    pixels: list

    @property
    def hashes(self):
        return [hashlib.sha256(picture.tobytes()).hexdigest() for picture in self.pixels]

    @property
    def fingerprints(self):
        return [fingerprint_photo(picture) for picture in self.pixels]

    def scaled(self, index):
        return self.pixels[index]


def picture(seed):
    blotches = np.random.default_rng(seed).integers(0, 256, (10, 10, 3), dtype=np.uint8)
    image = Image.fromarray(blotches).resize((SIDE_PX, SIDE_PX), Image.Resampling.BICUBIC)
    return np.asarray(image)


def nearly(pixels):
    """Return the same picture, compressed otherwise: a little brighter."""
    return np.minimum(pixels.astype(int) + 3, 255).astype(np.uint8)


def combine(own, added, conflicts="stop"):
    """Return the split of 20 photos of two classes and of added ones: (pixels, label, split)."""
    photos = [LabelledPhoto(ROOT / f"class_{n % 2}/{n}.png", f"class_{n % 2}") for n in range(own)]
    photos += [LabelledPhoto(Path(f"/kept/{n}.png"), *row[1:]) for n, row in enumerate(added)]
    read = Read(photos, [picture(n) for n in range(own)] + [row[0] for row in added])
    split = divide_photos(
        ROOT, FirstPhotos(read, own), seed=0, val_ratio=0.2, test_ratio=0.2, conflicts="stop"
    )
    return split, add_photos(split, read, conflicts)


def test_the_split_of_the_data_set_stays():
    before, after = combine(20, [(picture(100 + n), "class_0", "train") for n in range(5)])
    assert after.photos[:20] == before.photos
    assert [photo.split for photo in after.photos[20:]] == ["train"] * 5


def test_what_an_added_photo_is_for_stays_as_it_says():
    rows = [(picture(100), "new", "test"), (picture(101), "new", "val")]
    assert [photo.split for photo in combine(20, rows)[1].photos[20:]] == ["test", "val"]


def test_photos_nearly_the_same_as_others_are_left_out():
    rows = [
        *((nearly(picture(n)), f"class_{n % 2}", "train") for n in range(20)),
        (picture(100), "class_0", "train"),
        (nearly(picture(100)), "class_0", "train"),
    ]
    _, after = combine(20, rows)
    assert [photo.split for photo in after.photos[20:]] == ["out"] * 20 + ["train", "out"]
    assert after.num_duplicates == 21


@pytest.mark.parametrize(
    "rows",
    [
        [(nearly(picture(0)), "class_1", "train")],
        [(picture(100), "class_0", "train"), (nearly(picture(100)), "class_1", "train")],
    ],
)
def test_one_photo_with_two_labels_is_refused_and_can_be_dropped(rows):
    with pytest.raises(DatasetError, match="in two classes"):
        combine(20, rows)
    before, after = combine(20, rows, conflicts="drop")
    assert after.photos[:20] == before.photos
    assert {photo.split for photo in after.photos[20:]} == {"out"}


def test_an_added_photo_is_found_again_by_its_own_path(tmp_path):
    photo = combine(20, [(picture(100), "class_0", "train")])[1].photos[20]
    folder = PhotoFolder(tmp_path / "data.zip", (), "", zipped=object())
    found = folder.photo(photo.path, photo.label)
    assert (found.path, found.zipped) == (Path("/kept/0.png"), None)
