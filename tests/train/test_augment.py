import dataclasses

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch", reason="needs torch (edgecat[train])")

from edgecat.photos.pixels import scale_photo  # noqa: E402
from edgecat.train.augment import cut_view, draw_view, light_views  # noqa: E402
from edgecat.train.recipe import Recipe  # noqa: E402

# Of 255. Pillow rounds after each direction of its scaling, and its weights are rounded otherwise.
ROUNDING = 3


def draw_noise(size=(96, 72)):
    noise = np.random.default_rng(0).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    return Image.fromarray(noise)


PLAIN = Recipe(crop_side_px=224, crop_scale_min=0.999, flip_ratio=0.0, colour_jitter=0.0)


@pytest.fixture(scope="module")
def scaled():
    return np.array(scale_photo(draw_noise()))


def see(scaled, recipe, seed):
    drawn = draw_view(scaled.shape[:2], recipe, np.random.default_rng(seed))
    part = cut_view(torch.from_numpy(scaled), drawn, recipe.crop_side_px)
    return light_views(part[None], [drawn])[0].numpy()


@pytest.mark.parametrize("side_px", [64, 192, 256])
@pytest.mark.parametrize("size", [(96, 72), (72, 96), (80, 80), (400, 20)])
def test_a_view_is_a_square_of_the_recipes_side(size, side_px):
    scaled = np.array(scale_photo(draw_noise(size)))
    result = see(scaled, Recipe(crop_side_px=side_px), 1)
    assert (result.shape, result.dtype) == ((side_px, side_px, 3), np.uint8)


def test_the_same_chance_gives_the_same_view_and_other_chance_another(scaled):
    views = [see(scaled, Recipe(crop_side_px=224), seed) for seed in (1, 1, 2, 3)]
    assert np.array_equal(views[0], views[1])
    assert not np.array_equal(views[0], views[2])
    assert not np.array_equal(views[2], views[3])


def test_the_photo_itself_is_left_as_it_was(scaled):
    before = scaled.copy()
    see(scaled, Recipe(crop_side_px=224), 1)
    assert np.array_equal(scaled, before)


def test_a_flip_is_the_mirror_image(scaled):
    mirrored = see(scaled, dataclasses.replace(PLAIN, flip_ratio=0.999), 1)
    assert np.array_equal(mirrored, see(scaled, PLAIN, 1)[:, ::-1])


def test_no_jitter_leaves_the_colours_and_jitter_changes_them(scaled):
    dull = np.full_like(scaled, (200, 120, 40))
    assert np.array_equal(np.unique(see(dull, PLAIN, 1).reshape(-1, 3), axis=0), [[200, 120, 40]])
    lit = see(dull, dataclasses.replace(PLAIN, colour_jitter=0.5), 1)
    assert len(np.unique(lit.reshape(-1, 3), axis=0)) == 1  # all pixels alike
    assert np.abs(lit[0, 0].astype(int) - (200, 120, 40)).max() > 3


@pytest.mark.parametrize("seed", range(8))
def test_a_view_is_what_pillow_makes_of_the_same_part_in_the_same_light(scaled, seed):
    recipe = Recipe(crop_side_px=64, crop_scale_min=0.25, flip_ratio=0.0, colour_jitter=0.4)
    drawn = draw_view(scaled.shape[:2], recipe, np.random.default_rng(seed))
    top, left, height, width = drawn.box_px
    part = Image.fromarray(scaled).crop((left, top, left + width, top + height))
    small = part.resize((64, 64), Image.Resampling.BILINEAR)
    expected = np.asarray(small.convert("RGB", tuple(drawn.light.ravel())))
    difference = see(scaled, recipe, seed).astype(int) - expected
    assert np.abs(difference).max() <= ROUNDING


def test_each_view_of_a_batch_has_its_own_light(scaled):
    drawn = [
        draw_view(scaled.shape[:2], Recipe(crop_side_px=64), np.random.default_rng(seed))
        for seed in range(3)
    ]
    photo = torch.from_numpy(scaled)
    parts = torch.stack([cut_view(photo, one, 64) for one in drawn])
    together = light_views(parts, drawn)
    alone = [light_views(part[None], [one])[0] for part, one in zip(parts, drawn, strict=True)]
    assert torch.equal(together, torch.stack(alone))


@pytest.mark.parametrize("seed", range(20))
def test_the_same_chance_sees_the_same_part_of_a_photo_of_another_size(seed):
    small, large = (
        draw_view(size, Recipe(crop_scale_min=0.25), np.random.default_rng(seed))
        for size in ((128, 200), (256, 400))
    )
    assert np.abs(2 * np.array(small.box_px) - large.box_px).max() <= 2  # rounded, twice
    assert small.is_mirrored == large.is_mirrored
    assert np.array_equal(small.light, large.light)
