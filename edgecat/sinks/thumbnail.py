"""A photo made small, to be sent: its pixels alone, nothing of what a camera writes beside them."""

import io

from PIL import Image

from edgecat.errors import ImageError
from edgecat.photos.decode import open_photo
from edgecat.photos.formats import import_decoder, tell_format

# What a phone shows of it. A JPEG of that has 30 kB, and 100 kB if it is all noise.
_SIDE_PX, _QUALITY = 400, 80

# It is decoded beside the photo that is being answered: what is larger than a camera's 12 million
# pixels would add too much to the memory that a service may take.
_MAX_PIXELS = 4096 * 3072


def make_thumbnail(photo: bytes) -> bytes | None:
    """Return a photo as a JPEG of 400 x 400 pixels at most; None if it is too large for that.

    Args:
        photo: A file's content.

    Raises:
        ImageError: It is none.
    """
    item = tell_format(photo, "the photo")
    import_decoder(item, "the photo")
    try:
        with Image.open(io.BytesIO(photo), formats=[item.name]) as header:
            if header.width * header.height > _MAX_PIXELS:
                return None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ImageError(f"the photo: cannot be read ({error})") from error
    image = open_photo(photo, _SIDE_PX)
    image.thumbnail((_SIDE_PX, _SIDE_PX))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=_QUALITY)
    return file.getvalue()
