"""The same photo under two labels."""

import io

import numpy as np
import pytest
from PIL import Image

from edgecat.errors import DatasetError
from edgecat.photos.conflicts import find_conflicts, settle_conflicts
from edgecat.photos.folder import find_photos
from edgecat.photos.pixels import scale_photo
from edgecat.photos.reading import read_photos
from edgecat.photos.split import fingerprint_photo


def conflicts_of(root):
    photos, scaled = [], []
    for photo, _, pixels in read_photos(find_photos(root), scale_photo):
        photos.append(photo)
        scaled.append(pixels)
    pairs = find_conflicts(photos, [fingerprint_photo(p) for p in scaled], scaled.__getitem__)
    return photos, pairs


def saved_again(path, size, quality):
    buffer = io.BytesIO()
    with Image.open(path) as image:
        image.convert("RGB").resize(size, Image.Resampling.LANCZOS).save(
            buffer, "JPEG", quality=quality
        )
    return buffer.getvalue()


AGAIN = {"the same file": None, "half its size": ((160, 120), 75), "bad quality": ((96, 72), 30)}


@pytest.mark.parametrize("how", AGAIN.values(), ids=AGAIN)
def test_a_photo_in_two_classes_is_found_whatever_program_saved_it(draw_photos, how):
    root = draw_photos(num_classes=3)
    first, second = root / "class_0" / "1.jpg", root / "class_2" / "again.jpg"
    second.write_bytes(saved_again(first, *how) if how else first.read_bytes())
    photos, pairs = conflicts_of(root)
    assert [(photos[i].path, photos[j].path) for i, j in pairs] == [(first, second)]


def test_the_same_photo_twice_in_one_class_is_no_conflict(draw_photos):
    root = draw_photos()
    (root / "class_0" / "again.jpg").write_bytes((root / "class_0" / "1.jpg").read_bytes())
    assert conflicts_of(root)[1] == []


def test_plain_walls_of_different_colours_are_different_photos(tmp_path):
    """They have the same fingerprint: nowhere does it get brighter."""
    for label, colour in (
        ("red", (180, 60, 60)),
        ("green", (60, 180, 60)),
        ("pink", (190, 90, 90)),
    ):
        (tmp_path / label).mkdir()
        Image.new("RGB", (80, 60), colour).save(tmp_path / label / "1.png")
    assert conflicts_of(tmp_path)[1] == []


def test_of_hundreds_of_pairs_two_hundred_are_named(draw_photos):
    photos = find_photos(draw_photos())
    with pytest.raises(DatasetError, match=r"^450 pairs(.|\n)* and 250 more\n") as caught:
        settle_conflicts(photos, [(0, 9)] * 450, "stop")
    assert str(caught.value).count("  =  ") == 200


@pytest.mark.slow
def test_the_real_photos_have_none(shared):
    assert conflicts_of(shared / "cats")[1] == []


def test_real_photos_saved_again_in_another_class_are_found(shared, tmp_path):
    rng = np.random.default_rng(0)
    for label in ("Siamese", "Ragdoll"):
        (tmp_path / label).mkdir()
    paths = rng.choice(sorted((shared / "cats" / "Siamese").iterdir()), 30, replace=False)
    for path in paths:
        (tmp_path / "Siamese" / path.name).write_bytes(path.read_bytes())
        (tmp_path / "Ragdoll" / path.name).write_bytes(saved_again(path, (300, 256), 60))
    photos, pairs = conflicts_of(tmp_path)
    found = {photos[i].path.name for i, j in pairs if photos[i].path.name == photos[j].path.name}
    # The copy is squeezed, too; of 30, at most one may be lost to that.
    assert len(found) >= 29


def test_stop_names_every_pair_and_drop_leaves_both_out(draw_photos):
    root = draw_photos(num_classes=3)
    for number in (1, 2):
        data = (root / "class_0" / f"{number}.jpg").read_bytes()
        (root / f"class_{number}" / "again.jpg").write_bytes(data)
    photos, pairs = conflicts_of(root)
    with pytest.raises(DatasetError, match=r"^2 pairs of the same photo") as caught:
        settle_conflicts(photos, pairs, "stop")
    message = str(caught.value)
    for number in (1, 2):
        first, second = root / "class_0" / f"{number}.jpg", root / f"class_{number}" / "again.jpg"
        assert f"\n  {first}  =  {second}\n" in message
    assert "--conflicts drop" in message
    assert "--conflicts keep" in message
    left_out = settle_conflicts(photos, pairs, "drop")
    assert {photos[i].path.name for i in left_out} == {"1.jpg", "2.jpg", "again.jpg"}
    assert len(left_out) == 4
    with pytest.raises(DatasetError, match=r"^1 pair of the same photo, or nearly"):
        settle_conflicts(photos, pairs[:1], "stop")
    assert settle_conflicts(photos, [], "stop") == set()
