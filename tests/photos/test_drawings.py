import numpy as np
import pytest

from edgecat.photos.drawings import BREEDS, draw_cat, draw_dataset
from edgecat.photos.folder import count_labels, find_photos
from edgecat.photos.pixels import scale_photo
from edgecat.photos.split import fingerprint_photo, group_photos

SIDE_PX = 64


def drawing(breed, seed):
    return np.asarray(draw_cat(breed, np.random.default_rng(seed), SIDE_PX))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn")
    assert draw_dataset(folder, num_per_breed=2) == 2 * len(BREEDS)
    return folder


@pytest.mark.parametrize("breed", BREEDS)
def test_a_drawing_is_seeded_and_every_seed_gives_another(breed):
    assert np.array_equal(drawing(breed, 1), drawing(breed, 1))
    assert not np.array_equal(drawing(breed, 1), drawing(breed, 2))
    assert drawing(breed, 1).shape == (SIDE_PX, SIDE_PX, 3)
    assert drawing(breed, 1).std() > 10  # not a blank sheet


def test_two_breeds_differ_under_the_same_seed():
    pictures = [drawing(breed, 1).tobytes() for breed in BREEDS]
    assert len(set(pictures)) == len(BREEDS)


def test_the_same_seed_writes_the_same_bytes_and_a_larger_set_begins_with_a_smaller(
    drawn, tmp_path
):
    draw_dataset(tmp_path / "again", num_per_breed=1)
    for path in (tmp_path / "again").rglob("*.jpg"):
        assert path.read_bytes() == (drawn / path.relative_to(tmp_path / "again")).read_bytes()


def test_another_seed_writes_other_bytes(drawn, tmp_path):
    draw_dataset(tmp_path / "other", num_per_breed=1, seed=1)
    name = "Siamese/0001.jpg"
    assert (tmp_path / "other" / name).read_bytes() != (drawn / name).read_bytes()


def test_a_drawn_set_is_a_data_set_of_at_least_six_breeds(drawn):
    counts = count_labels(find_photos(drawn))
    assert set(counts) == set(BREEDS)
    assert len(counts) >= 6
    assert set(counts.values()) == {2}


def test_no_two_drawings_pass_for_the_same_photo(drawn):
    photos = find_photos(drawn)
    prints = [fingerprint_photo(scale_photo(photo.path)) for photo in photos]
    assert len(set(group_photos(prints))) == len(photos)
