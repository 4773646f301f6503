"""What a TIFF says of its samples and tiles, before any of them is decoded."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from PIL import Image

from edgecat.errors import UnsupportedImageError
from edgecat.photos.formats import CONVERT

# Source: TIFF 6.0, section 8 and appendix A; DNG 1.7.
_NEW_SUBFILE_TYPE, _BITS_PER_SAMPLE, _PHOTOMETRIC, _DNG_VERSION = 254, 258, 262, 50706
_REDUCED_RESOLUTION, _WHITE_IS_ZERO = 1, 0

# Source: TIFF 6.0, section 15. A tile is decoded whole, however little of it is in the picture.
_TILE_WIDTH, _TILE_LENGTH = 322, 323


def count_decoded(image: Image.Image) -> int:
    """Return how many pixels have to be decoded to see a picture at its full size."""
    width_px, height_px = image.size
    if image.format == "TIFF":
        tags: Any = image.tag_v2  # type: ignore[attr-defined]
        width_px = max(width_px, _tag(tags, _TILE_WIDTH, 0))
        height_px = max(height_px, _tag(tags, _TILE_LENGTH, 0))
    return width_px * height_px


@dataclasses.dataclass(frozen=True)
class Depth:
    """How greys of more than 8 bits are meant.

    Attributes:
        num_bits: From 0 for black to 2**num_bits - 1 for white.
        is_inverted: Whether it is the other way around, as in X-ray photos.
    """

    num_bits: int = 16
    is_inverted: bool = False


def read_depth(image: Image.Image, name: str) -> Depth:
    """Return what a TIFF says of its samples; 16 bits of any other picture.

    Raises:
        UnsupportedImageError: Its first page is a thumbnail, as in a camera's raw file, or it holds
            numbers whose black and white nobody knows.
    """
    if image.format != "TIFF":
        return Depth()
    tags: Any = image.tag_v2  # type: ignore[attr-defined]
    if _tag(tags, _NEW_SUBFILE_TYPE, 0) & _REDUCED_RESOLUTION or _DNG_VERSION in tags:
        raise UnsupportedImageError(
            f"{name}: a TIFF that begins with a thumbnail, as a camera's raw file does; {CONVERT}"
        )
    if image.mode == "F":
        raise UnsupportedImageError(
            f"{name}: a TIFF of floating-point numbers, whose black and white are not known; save "
            "it with 8 or 16 bits"
        )
    # Pillow inverts greys of 8 bits and fewer itself.
    is_inverted = _tag(tags, _PHOTOMETRIC, 1) == _WHITE_IS_ZERO
    return Depth(_tag(tags, _BITS_PER_SAMPLE, 16), is_inverted)


def _tag(tags: Mapping[int, Any], code: int, default: int) -> int:
    """Return a tag's first number; a damaged one counts as missing."""
    value = tags.get(code, default)
    first = value[0] if isinstance(value, tuple) and value else value
    return first if isinstance(first, int) else default
