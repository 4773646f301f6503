import dataclasses

import numpy as np
import pytest
from PIL import Image

from edgecat.photos.pixels import scale_photo
from edgecat.train.augment import augment_photo
from edgecat.train.recipe import Recipe


def draw_noise(size=(96, 72)):
    noise = np.random.default_rng(0).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    return Image.fromarray(noise)


PLAIN = Recipe(crop_side_px=224, crop_scale_min=0.999, flip_ratio=0.0, colour_jitter=0.0)


@pytest.fixture(scope="module")
def scaled():
    return scale_photo(draw_noise())


def view(scaled, recipe, seed):
    return augment_photo(scaled, recipe, np.random.default_rng(seed))


@pytest.mark.parametrize("side_px", [64, 192, 256])
@pytest.mark.parametrize("size", [(96, 72), (72, 96), (80, 80), (400, 20)])
def test_a_view_is_a_square_of_the_recipes_side(size, side_px):
    scaled = scale_photo(draw_noise(size))
    result = view(scaled, Recipe(crop_side_px=side_px), 1)
    assert (result.shape, result.dtype) == ((side_px, side_px, 3), np.uint8)


def test_the_same_chance_gives_the_same_view_and_other_chance_another(scaled):
    views = [view(scaled, Recipe(crop_side_px=224), seed) for seed in (1, 1, 2, 3)]
    assert np.array_equal(views[0], views[1])
    assert not np.array_equal(views[0], views[2])
    assert not np.array_equal(views[2], views[3])


def test_the_photo_itself_is_left_as_it_was(scaled):
    before = scaled.copy()
    view(scaled, Recipe(crop_side_px=224), 1)
    assert np.array_equal(scaled, before)


def test_a_flip_is_the_mirror_image(scaled):
    mirrored = view(scaled, dataclasses.replace(PLAIN, flip_ratio=0.999), 1)
    assert np.array_equal(mirrored, view(scaled, PLAIN, 1)[:, ::-1])


def test_no_jitter_leaves_the_colours_and_jitter_changes_them(scaled):
    dull = np.full_like(scaled, (200, 120, 40))
    assert np.array_equal(np.unique(view(dull, PLAIN, 1).reshape(-1, 3), axis=0), [[200, 120, 40]])
    lit = view(dull, dataclasses.replace(PLAIN, colour_jitter=0.5), 1)
    assert len(np.unique(lit.reshape(-1, 3), axis=0)) == 1  # all pixels alike
    assert np.abs(lit[0, 0].astype(int) - (200, 120, 40)).max() > 3


def test_grey_stays_grey_whatever_the_light():
    grey = np.full((256, 256, 3), 90, np.uint8)
    recipe = dataclasses.replace(PLAIN, colour_jitter=0.5)
    for seed in range(20):
        red, green, blue = view(grey, recipe, seed)[0, 0].astype(int)
        assert max(red, green, blue) - min(red, green, blue) <= 1  # a rounding


def test_a_small_crop_shows_only_a_part():
    ramp = np.broadcast_to(np.arange(256, dtype=np.uint8)[None, :, None], (256, 256, 3))
    recipe = dataclasses.replace(PLAIN, crop_scale_min=0.1)
    spans = [int(np.ptp(view(ramp.copy(), recipe, seed))) for seed in range(20)]
    assert min(spans) < 128 < max(spans)
    assert np.ptp(view(ramp.copy(), PLAIN, 1)) > 200
