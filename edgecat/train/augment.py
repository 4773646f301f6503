"""What training does to a photo that nothing else does: a random crop, a mirror, other light."""

import math

import numpy as np
from PIL import Image

from edgecat.photos.pixels import Pixels
from edgecat.train.recipe import Recipe

# Aspect ratios of random crops. Source: Szegedy et al., "Going Deeper with Convolutions" (2014),
# section 6; the default of torchvision's RandomResizedCrop.
_ASPECT_RANGE = (3 / 4, 4 / 3)

# Brightness of R, G, B. Source: ITU-R BT.601, as in Pillow's conversion to grey.
_GREY = np.array([0.299, 0.587, 0.114])


def augment_photo(scaled: Pixels, recipe: Recipe, rng: np.random.Generator) -> Pixels:
    """Return a random view of a photo.

    Args:
        scaled: uint8 `[H, W, 3]`, RGB, as `scale_photo` returns it.
        recipe: How far to go.
        rng: The only source of chance.

    Returns:
        uint8 `[S, S, 3]`, RGB; S is the recipe's `crop_side_px`.
    """
    image = Image.fromarray(scaled)
    box = _random_box(image.size, recipe.crop_scale_min, rng)
    side_px = recipe.crop_side_px
    view = image.resize((side_px, side_px), Image.Resampling.BILINEAR, box=box)
    if rng.random() < recipe.flip_ratio:
        view = view.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if recipe.colour_jitter:
        view = view.convert("RGB", _random_light(recipe.colour_jitter, rng))
    return np.asarray(view)


def _random_box(
    size_px: tuple[int, int], scale_min: float, rng: np.random.Generator
) -> tuple[float, float, float, float]:
    """Return left, top, right, bottom of a crop with a random area, shape and place."""
    width_px, height_px = size_px
    area_px = width_px * height_px * rng.uniform(scale_min, 1)
    aspect = math.exp(rng.uniform(*np.log(_ASPECT_RANGE)))
    crop_width_px = min(width_px, math.sqrt(area_px * aspect))
    crop_height_px = min(height_px, math.sqrt(area_px / aspect))
    left_px = rng.uniform(0, width_px - crop_width_px)
    top_px = rng.uniform(0, height_px - crop_height_px)
    return left_px, top_px, left_px + crop_width_px, top_px + crop_height_px


def _random_light(most: float, rng: np.random.Generator) -> tuple[float, ...]:
    """Return brightness, contrast and saturation as one matrix: 3 rows of R, G, B, offset."""
    brightness, contrast, saturation = rng.uniform(1 - most, 1 + most, 3)
    mix = saturation * np.eye(3) + (1 - saturation) * _GREY
    rows = np.concatenate([brightness * contrast * mix, np.full((3, 1), 128 * (1 - contrast))], 1)
    return tuple(rows.ravel())
