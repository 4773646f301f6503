import dataclasses

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch", reason="needs torch (edgecat[train])")

from edgecat.errors import DatasetError
from edgecat.machine.memory import FreeMemory
from edgecat.photos.decode import open_photo
from edgecat.photos.folder import find_photos
from edgecat.photos.input import IMAGENET
from edgecat.photos.pixels import load_pixels, scale_image
from edgecat.progress import Silent
from edgecat.train import cache as caches
from edgecat.train.cache import _ROOM_RATIO, MOST_RATIO, decode_photo, open_cache

TURNED = Image.Exif()
TURNED[0x0112] = 6


def open_photos(root, file, *, skip_broken=False):
    return open_cache(file, find_photos(root), IMAGENET, Silent(), skip_broken=skip_broken)


@pytest.fixture
def mixed(draw_photos):
    """Photos of many shapes and modes."""
    root = draw_photos()
    folder = root / "class_0"
    Image.effect_noise((40, 90), 50).save(folder / "tall grey.png")
    Image.effect_noise((900, 30), 50).save(folder / "strip.png")
    Image.effect_noise((51, 37), 50).convert("CMYK").save(folder / "cmyk.jpg")
    Image.effect_noise((33, 33), 50).convert("P").save(folder / "palette.gif")
    Image.effect_noise((64, 48), 50).save(folder / "turned.jpg", exif=TURNED)
    Image.effect_noise((500, 300), 50).convert("RGB").save(folder / "larger.jpg", exif=TURNED)
    Image.effect_noise((1920, 1080), 50).convert("RGB").save(folder / "camera.jpg", exif=TURNED)
    return root


def test_every_photo_of_the_cache_is_what_the_runtime_would_see(mixed, tmp_path):
    photos = find_photos(mixed)
    with open_photos(mixed, tmp_path / "cache") as cache:
        assert cache.photos == list(photos)
        for number, photo in enumerate(photos):
            assert np.array_equal(cache.pixels(number), load_pixels(photo.path)), photo
            wanted = scale_image(open_photo(photo.path), most_ratio=MOST_RATIO)
            assert np.array_equal(cache.scaled(number), wanted), photo
        assert np.array_equal(cache.batch([3, 0]), np.stack([cache.pixels(3), cache.pixels(0)]))


@pytest.mark.parametrize("room_bytes", [0, 10**9])
@pytest.mark.parametrize(
    ("size", "kept_px"),
    [((90, 70), 264), ((400, 264), 264), ((300, 500), 300), ((1920, 1080), 449)],
)
def test_random_crops_are_cut_out_of_a_larger_photo_if_it_has_the_pixels(
    tmp_path, monkeypatch, room_bytes, size, kept_px
):
    root = tmp_path / "photos"
    image = Image.effect_noise(size, 50).convert("RGB")
    for label in "ab":
        (root / label).mkdir(parents=True)
        image.save(root / label / "1.jpg", exif=TURNED)
    monkeypatch.setattr(caches, "_measure_room", lambda file: room_bytes)
    with open_photos(root, tmp_path / "cache") as cache:
        scaled = cache.scaled(1)
        assert np.array_equal(cache.pixels(1), load_pixels(root / "b" / "1.jpg"))
    assert min(scaled.shape[:2]) == kept_px
    assert scaled.shape[0] / scaled.shape[1] == pytest.approx(size[0] / size[1], rel=0.01)
    small = dataclasses.replace(IMAGENET, shorter_side_px=kept_px)
    with Image.open(root / "b" / "1.jpg") as photo:
        photo.draft("RGB", (2 * IMAGENET.shorter_side_px,) * 2)
        upright = photo.transpose(Image.Transpose.ROTATE_270)
    assert np.array_equal(scaled, scale_image(upright, small))


def test_the_file_is_gone_afterwards_also_after_an_error(draw_photos, tmp_path):
    file = tmp_path / "cache"
    with pytest.raises(KeyError), open_photos(draw_photos(), file):
        assert file.exists()
        raise KeyError
    assert not file.exists()


def test_broken_photos_are_all_named_and_no_file_is_left(draw_photos, tmp_path):
    root = draw_photos()
    (root / "class_0" / "1.jpg").write_bytes(b"")
    (root / "class_1" / "2.jpg").write_text("hello")
    with (
        pytest.raises(DatasetError) as refused,
        open_photos(root, tmp_path / "cache"),
    ):
        pass
    assert "2 of 10 photos are broken" in str(refused.value)
    assert "class_0/1.jpg: empty (0 bytes)" in str(refused.value)
    assert "class_1/2.jpg: not a photo" in str(refused.value)
    assert not (tmp_path / "cache").exists()


def test_broken_photos_are_left_out_where_wanted(draw_photos, tmp_path):
    root = draw_photos()
    (root / "class_0" / "1.jpg").write_bytes(b"")
    with open_photos(root, tmp_path / "cache", skip_broken=True) as cache:
        assert [photo.path.name for photo in cache.photos[:3]] == ["0.jpg", "2.jpg", "3.jpg"]
        assert len(cache.broken) == 1
        assert np.array_equal(cache.pixels(8), load_pixels(cache.photos[8].path))


def test_nothing_but_broken_photos_is_refused_also_with_skip_broken(draw_photos, tmp_path):
    root = draw_photos(num_per_class=1)
    for path in root.rglob("*.jpg"):
        path.write_bytes(b"")
    with (
        pytest.raises(DatasetError, match="all 2 photos are broken"),
        open_photos(root, tmp_path / "cache", skip_broken=True),
    ):
        pass


@pytest.mark.parametrize("room_photos", [0, 2])
def test_photos_for_which_a_disk_has_no_room_are_decoded_whenever_they_are_asked_for(
    draw_photos, small_disk, monkeypatch, room_photos, listens
):
    """In a tmpfs, more would end the process: its pages count against a container's limit."""
    photos = find_photos(draw_photos())
    spec = dataclasses.replace(IMAGENET, side_px=32, shorter_side_px=32)
    photo_bytes = decode_photo(photos[0].read(), spec).size_bytes
    room_bytes = int((room_photos + 0.5) * photo_bytes / _ROOM_RATIO)
    monkeypatch.setattr(caches, "read_free_memory", lambda: FreeMemory(room_bytes, 10**9))
    with open_cache(small_disk / "cache", photos, spec, listens, skip_broken=False) as cache:
        assert (small_disk / "cache").stat().st_size == cache.size_bytes <= room_bytes
        assert cache.num_kept == room_photos
        for number, photo in enumerate(photos):
            wanted = scale_image(open_photo(photo.path), spec, MOST_RATIO)
            assert np.array_equal(cache.scaled(number), wanted), photo
            assert np.array_equal(cache.pixels(number), load_pixels(photo.path, spec)), photo
    assert f"{len(photos) - room_photos} are decoded again" in listens.lines[-1]


def test_what_a_killed_run_left_takes_no_room_from_the_next(draw_photos, small_disk, listens):
    photos = find_photos(draw_photos(num_per_class=2))
    spec = dataclasses.replace(IMAGENET, side_px=32, shorter_side_px=32)
    with open_cache(small_disk / "cache", photos, spec, listens, skip_broken=False) as cache:
        assert cache.num_kept == len(photos)
    (small_disk / "cache").write_bytes(bytes(180 * 1024))
    with open_cache(small_disk / "cache", photos, spec, listens, skip_broken=False) as cache:
        assert cache.num_kept == len(photos)
