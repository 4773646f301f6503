"""Photos as they stand in a page: what the model sees of them, small, without their metadata."""

import base64
import io

from PIL import Image

from edgecat.photos.folder import LabelledPhoto
from edgecat.photos.input import InputSpec
from edgecat.photos.pixels import Pixels, load_pixels

# What a tile shows on a phone with two pixels a point; 10 kB each, so that 100 make a megabyte.
_SIDE_PX, _QUALITY = 240, 80


def embed_photo(photo: LabelledPhoto, spec: InputSpec) -> str:
    """Return the part of a photo that the model sees, as `embed_pixels`.

    Args:
        photo: One that could be read before.
        spec: What the model takes.

    Raises:
        ImageError: It cannot be read any more.
    """
    return embed_pixels(load_pixels(photo.read(), spec))


def embed_pixels(pixels: Pixels) -> str:
    """Return a picture as a `data:` address of a small JPEG.

    Args:
        pixels: uint8 `[H, W, 3]`, RGB.
    """
    image = Image.fromarray(pixels)
    image.thumbnail((_SIDE_PX, _SIDE_PX))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=_QUALITY, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"


def name_photo(photo: LabelledPhoto) -> str:
    """Return what to call a photo: its file's name, nothing of the folders above."""
    return photo.path.name
