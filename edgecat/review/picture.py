"""A kept photo as a page shows it: a JPEG made here, so that no browser gets a stranger's file."""

import hashlib
import io

from edgecat.errors import ImageError
from edgecat.keep.kept import KeptPhoto
from edgecat.photos.decode import open_photo, read_photo

# It fills a screen of 1280 x 800, and is decoded quickly.
_SIDE_PX, _SHORTER_SIDE_PX = 1280, 512
_JPEG_QUALITY = 85


def draw_picture(photo: KeptPhoto) -> bytes:
    """Return a JPEG of a photo, upright, without its EXIF.

    Raises:
        ImageError: It is gone, is not the one that was kept, or cannot be decoded.
    """
    data = read_photo(photo.path)
    if hashlib.sha256(data).hexdigest() != photo.sha256:
        raise ImageError(f"{photo.path}: is not what was kept under this name; delete it")
    image = open_photo(data, _SHORTER_SIDE_PX)
    image.thumbnail((_SIDE_PX, _SIDE_PX))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=_JPEG_QUALITY)
    return file.getvalue()
