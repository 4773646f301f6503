"""What training does to a photo that nothing else does: a random crop, a mirror, other light.

Chance is numpy's, pixels are torch's, on whatever device they lie: the views of a photo are the
same with any number of threads, and alike on a processor and on a GPU.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from edgecat.train.recipe import Recipe
from edgecat.train.vision import import_torchvision

import_torchvision()  # also where its own import fails
from torchvision.transforms.v2 import functional as vision  # noqa: E402

# Aspect ratios of random crops. Source: Szegedy et al., "Going Deeper with Convolutions" (2014),
# section 6; the default of torchvision's RandomResizedCrop.
_ASPECT_RANGE = (3 / 4, 4 / 3)

# Brightness of R, G, B. Source: ITU-R BT.601, as in Pillow's conversion to grey.
_GREY = np.array([0.299, 0.587, 0.114])

# Contrast is changed around this grey, 0-255.
_MIDDLE = 128


@dataclasses.dataclass(frozen=True)
class View:
    """Which part of a photo is seen, and how.

    Attributes:
        box_px: Top, left, height and width of the part.
        is_mirrored: Left and right change places.
        light: float64 `[3, 4]`: R, G, B of the view from those of the photo and 1.
    """

    box_px: tuple[int, int, int, int]
    is_mirrored: bool
    light: npt.NDArray[np.float64]


def draw_view(size_px: tuple[int, int], recipe: Recipe, rng: np.random.Generator) -> View:
    """Return a random view.

    Args:
        size_px: Height and width of the photo.
        recipe: How far to go.
        rng: The only source of chance.
    """
    box_px = _draw_box(size_px, recipe.crop_scale_min, rng)
    is_mirrored = bool(rng.random() < recipe.flip_ratio)
    return View(box_px, is_mirrored, _draw_light(recipe.colour_jitter, rng))


def cut_view(photo: Tensor, view: View, side_px: int) -> Tensor:
    """Return the part of a photo that a view sees, uint8 `[3, S, S]`, in the photo's own light.

    Args:
        photo: uint8 `[H, W, 3]`, RGB, as `PhotoCache.scaled` returns it.
        view: What is seen.
        side_px: S.
    """
    maps = photo.permute(2, 0, 1)
    part: Tensor = vision.resized_crop(maps, *view.box_px, [side_px, side_px], antialias=True)
    return part.flip(2) if view.is_mirrored else part


def light_views(parts: Tensor, views: Sequence[View]) -> Tensor:
    """Return views in their light: uint8 `[N, S, S, 3]`, RGB.

    Args:
        parts: uint8 `[N, 3, S, S]`, as `cut_view` returns each.
        views: How each is seen.
    """
    lights = torch.from_numpy(np.stack([view.light for view in views])).to(parts.device).float()
    lit = torch.baddbmm(lights[:, :, 3:], lights[:, :, :3], parts.contiguous().float().flatten(2))
    return lit.round_().clamp_(0, 255).to(torch.uint8).view(parts.shape).permute(0, 2, 3, 1)


def _draw_box(
    size_px: tuple[int, int], scale_min: float, rng: np.random.Generator
) -> tuple[int, int, int, int]:
    """Return top, left, height, width of a crop with a random area, shape and place."""
    height_px, width_px = size_px
    area_px = width_px * height_px * rng.uniform(scale_min, 1)
    aspect = math.exp(rng.uniform(*np.log(_ASPECT_RANGE)))
    crop_width_px = min(width_px, max(1, round(math.sqrt(area_px * aspect))))
    crop_height_px = min(height_px, max(1, round(math.sqrt(area_px / aspect))))
    # Uniform, not `integers`: at another size the same chance gives the same part of the photo,
    # which is what a teacher of another input sees.
    left_px = round(rng.uniform(0, width_px - crop_width_px))
    top_px = round(rng.uniform(0, height_px - crop_height_px))
    return top_px, left_px, crop_height_px, crop_width_px


def _draw_light(most: float, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Return brightness, contrast and saturation as one matrix: 3 rows of R, G, B, offset."""
    brightness, contrast, saturation = rng.uniform(1 - most, 1 + most, 3)
    mix = saturation * np.eye(3) + (1 - saturation) * _GREY
    offset = np.full((3, 1), _MIDDLE * (1 - contrast))
    return np.concatenate([brightness * contrast * mix, offset], 1)
