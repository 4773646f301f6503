"""THE preprocessing: any photo -> uint8 `[H, W, 3]`, RGB, as the model's `InputSpec` says.

Training's evaluation, calibration, benchmark and device all call this file, so that they see the
same pixels. `edgecat.photos.decode` reads the file, this scales and crops: `load_pixels` is
`fit_image(open_photo(...))`, for whoever wants to time the two apart.
"""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from PIL import Image

from edgecat.photos.decode import Photo, open_photo
from edgecat.photos.input import IMAGENET, InputSpec

Pixels = npt.NDArray[np.uint8]

# Of a panorama or a 1 x 100,000 strip only the middle is scaled up, so memory stays bounded.
MAX_ASPECT = 2


def load_pixels(photo: Photo, spec: InputSpec = IMAGENET) -> Pixels:
    """Return a photo as the model's input.

    Args:
        photo: See `Photo`.
        spec: What the model takes: `bundle.spec.input`.

    Returns:
        uint8 `[side, side, 3]`, RGB, 0-255: `scale_photo`, then `central_crop`.

    Raises:
        ImageError: Not a photo, broken, or too large.
    """
    return fit_image(open_photo(photo, spec.shorter_side_px), spec)


def fit_image(image: Image.Image, spec: InputSpec = IMAGENET) -> Pixels:
    """Return a decoded photo as the model's input: uint8 `[side, side, 3]`, RGB, 0-255.

    Args:
        image: What `open_photo` returned.
        spec: What the model takes.
    """
    return central_crop(scale_image(image, spec), spec)


def load_batch(photos: Iterable[Photo], spec: InputSpec = IMAGENET) -> Pixels:
    """Return photos as one batch: uint8 `[N, side, side, 3]`, RGB.

    Args:
        photos: See `Photo`.
        spec: What the model takes.

    Raises:
        ImageError: As `load_pixels`, for the first photo that fails.
    """
    pixels = [load_pixels(photo, spec) for photo in photos]
    if not pixels:
        return np.empty((0, *spec.shape), np.uint8)
    return np.stack(pixels)


def scale_photo(photo: Photo, spec: InputSpec = IMAGENET) -> Pixels:
    """Return a photo with its shorter side as the model wants it before the crop.

    Args:
        photo: See `Photo`.
        spec: What the model takes.

    Returns:
        uint8 `[H, W, 3]`, RGB, antialiased: the shorter side is `spec.shorter_side_px`, the longer
        one at most `MAX_ASPECT` times as long (of a wider photo the central part is kept). Its
        `central_crop` is what `load_pixels` returns.

    Raises:
        ImageError: As `load_pixels`.
    """
    return scale_image(open_photo(photo, spec.shorter_side_px), spec)


def scale_image(image: Image.Image, spec: InputSpec = IMAGENET, most_ratio: float = 1.0) -> Pixels:
    """Return a decoded photo as `scale_photo` does, or larger, if it has as many pixels.

    Args:
        image: What `open_photo` returned.
        spec: What the model takes.
        most_ratio: By how much larger at most.
    """
    least_px = spec.shorter_side_px
    shorter_px = max(least_px, min(*image.size, round(most_ratio * least_px)))
    width_px, height_px = image.size
    short_px = min(image.size)
    long_px = min(max(image.size), MAX_ASPECT * short_px)
    left_px = (width_px - min(width_px, long_px)) / 2
    top_px = (height_px - min(height_px, long_px)) / 2
    box = (left_px, top_px, width_px - left_px, height_px - top_px)
    longer_px = shorter_px * long_px // short_px
    size_px = (shorter_px, longer_px) if width_px <= height_px else (longer_px, shorter_px)
    resampling = Image.Resampling[spec.interpolation.upper()]
    return np.asarray(image.resize(size_px, resampling, box=box))


def central_crop(scaled: Pixels, spec: InputSpec = IMAGENET) -> Pixels:
    """Return the central uint8 `[side, side, 3]` of what `scale_photo` returned.

    Args:
        scaled: uint8 `[H, W, 3]`, RGB, as `scale_photo` returns it: of a larger one, less is seen.
        spec: As for `scale_photo`.
    """
    # Rounded half to even, as torchvision's CenterCrop does.
    top_px, left_px = (round((side_px - spec.side_px) / 2) for side_px in scaled.shape[:2])
    return scaled[top_px : top_px + spec.side_px, left_px : left_px + spec.side_px]
