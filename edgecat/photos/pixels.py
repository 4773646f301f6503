"""THE preprocessing: any photo -> uint8 `[224, 224, 3]`, RGB.

Training's evaluation, calibration, benchmark and device all call this file, so that they see the
same pixels. The content of a file decides what it is, never the ending of its name; EXIF
orientation is applied; grey, CMYK, palette, alpha and 16-bit pictures come out as RGB.
"""

import io
import math
import re
import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from edgecat.errors import ImageError
from edgecat.photos.input import INPUT

#: A photo: a file, its bytes, an open PIL image, or uint8 `[H, W, 3]` RGB.
Photo = str | Path | bytes | Image.Image | npt.NDArray[np.uint8]
Pixels = npt.NDArray[np.uint8]

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")

# Limits before work: a file of 20 kB can hold a picture that takes gigabytes and minutes. The
# number is the one above which Pillow itself refuses.
MAX_PIXELS = 2 * 89_478_485

# Of a usual JPEG an eighth is decoded, of anything else every pixel: WebP takes up to 17 bytes
# for each (benchmarks/results/*/largest_photos.json). A 24-megapixel camera's photos fit.
MAX_DECODED_PIXELS = 25_000_000

# A JPEG in many scans (progressive) has its coefficients held in memory and is gone over once a
# scan; encoders write 20 at most, a file of 1 MB can have 30,000.
MAX_SCANS = 64

# A BMP of `MAX_DECODED_PIXELS` has 100 MB.
MAX_BYTES = 128 * 2**20

# Of a panorama or a 1 x 100,000 strip only the middle is scaled up, so memory stays bounded.
MAX_ASPECT = 2

# Source: ITU T.81, table B.1: the markers but those that have no length, and FF00, which is data.
_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd8\xff]")
_START_OF_IMAGE, _START_OF_SCAN, _END_OF_IMAGE = b"\xff\xd8", b"\xff\xda", b"\xff\xd9"

# Source: Exif 2.32, tag 0x0112, and what undoes each of its values.
_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def load_pixels(photo: Photo) -> Pixels:
    """Return a photo as the model's input.

    Args:
        photo: See `Photo`.

    Returns:
        uint8 `[224, 224, 3]`, RGB, 0-255: `scale_photo`, then `central_crop`.

    Raises:
        ImageError: Not a photo, broken, or larger than `MAX_PIXELS`.
    """
    return central_crop(scale_photo(photo))


def load_batch(photos: Iterable[Photo]) -> Pixels:
    """Return photos as one batch: uint8 `[N, 224, 224, 3]`, RGB.

    Raises:
        ImageError: As `load_pixels`, for the first photo that fails.
    """
    pixels = [load_pixels(photo) for photo in photos]
    if not pixels:
        return np.empty((0, INPUT.side_px, INPUT.side_px, 3), np.uint8)
    return np.stack(pixels)


def scale_photo(photo: Photo) -> Pixels:
    """Return a photo with its shorter side at 256 px.

    Args:
        photo: See `Photo`.

    Returns:
        uint8 `[H, W, 3]`, RGB: bilinear, antialiased; the shorter side is 256 px, the longer one
        at most `MAX_ASPECT` times as long (of a wider photo the central part is kept). Training
        cuts its random crops out of this, everything else takes its `central_crop`.

    Raises:
        ImageError: As `load_pixels`.
    """
    image = open_photo(photo)
    width_px, height_px = image.size
    short_px = min(image.size)
    long_px = min(max(image.size), MAX_ASPECT * short_px)
    left_px = (width_px - min(width_px, long_px)) / 2
    top_px = (height_px - min(height_px, long_px)) / 2
    box = (left_px, top_px, width_px - left_px, height_px - top_px)
    shorter_px, longer_px = INPUT.shorter_side_px, INPUT.shorter_side_px * long_px // short_px
    size_px = (shorter_px, longer_px) if width_px <= height_px else (longer_px, shorter_px)
    return np.asarray(image.resize(size_px, Image.Resampling.BILINEAR, box=box))


def central_crop(scaled: Pixels) -> Pixels:
    """Return the central uint8 `[224, 224, 3]` of what `scale_photo` returned."""
    # Rounded half to even, as torchvision's CenterCrop does.
    top_px, left_px = (round((side_px - INPUT.side_px) / 2) for side_px in scaled.shape[:2])
    return scaled[top_px : top_px + INPUT.side_px, left_px : left_px + INPUT.side_px]


def open_photo(photo: Photo) -> Image.Image:
    """Return a photo as an upright 8-bit RGB picture.

    A large JPEG is decoded at 1/2, 1/4 or 1/8 of its size, as long as its shorter side stays at
    least twice what the model takes: much faster for camera photos, and the same everywhere.

    Args:
        photo: See `Photo`.

    Raises:
        ImageError: As `load_pixels`.
    """
    if isinstance(photo, np.ndarray):
        return _from_array(photo)
    if isinstance(photo, Image.Image):
        return _open_image(photo)
    name = "the photo" if isinstance(photo, bytes) else str(photo)
    data = photo if isinstance(photo, bytes) else read_photo(Path(photo))
    if not data:
        raise ImageError(f"{name}: empty (0 bytes)")
    try:
        with warnings.catch_warnings():
            # Pillow warns of bombs far below our own limit, and of harmless EXIF oddities.
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                _limit_costs(image, data, name)
                return _to_rgb(_upright(image))
    except UnidentifiedImageError:
        raise ImageError(
            f"{name}: not a photo; accepted are {', '.join(FORMATS)}, told by their content"
        ) from None
    except Image.DecompressionBombError:
        raise ImageError(
            f"{name}: too many pixels; at most {MAX_PIXELS:,} are accepted, scale it down first"
        ) from None
    except (OSError, ValueError, SyntaxError, EOFError, MemoryError, IndexError) as error:
        # Everything Pillow's decoders are known to raise on damaged files.
        raise ImageError(f"{name}: cannot be read as a photo ({error})") from error


def read_photo(path: Path) -> bytes:
    """Return a file's bytes.

    Raises:
        ImageError: No such file, a folder, unreadable, or larger than `MAX_BYTES`.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or error
        raise ImageError(f"{path}: cannot be read ({reason})") from error
    if len(data) > MAX_BYTES:
        raise ImageError(f"{path}: larger than {MAX_BYTES // 2**20} MiB")
    return data


def _limit_costs(image: Image.Image, data: bytes, name: str) -> None:
    # Before anything is decoded: what a header says is free to read.
    width_px, height_px = image.size
    if width_px * height_px > MAX_PIXELS:
        raise ImageError(
            f"{name}: {width_px} x {height_px} pixels; at most {MAX_PIXELS:,} in all are "
            "accepted, scale it down first"
        )
    num_scans = _count_scans(data) if data.startswith(_START_OF_IMAGE) else 0
    if num_scans > MAX_SCANS:
        raise ImageError(f"{name}: a JPEG in {num_scans} scans; at most {MAX_SCANS} are accepted")
    scale = 2 * INPUT.shorter_side_px / min(image.size)
    if scale < 1:
        image.draft("RGB", (int(width_px * scale), int(height_px * scale)))
    # After `draft` the size is the one that is decoded; several scans decode all of it.
    decoded_px = math.prod(image.size) if num_scans == 1 else width_px * height_px
    if decoded_px > MAX_DECODED_PIXELS:
        raise ImageError(
            f"{name}: {width_px} x {height_px} pixels, of which {decoded_px:,} would have to be "
            f"decoded; at most {MAX_DECODED_PIXELS:,} are accepted: scale it down, or save it as "
            "JPEG that is not progressive"
        )


def _upright(image: Image.Image) -> Image.Image:
    image.load()
    try:
        orientation = image.getexif().get(_ORIENTATION)
    except Exception:  # damaged EXIF: Pillow raises TypeError, struct.error, KeyError, ...
        return image
    turn = _TURNS.get(orientation or 1)
    return image if turn is None else image.transpose(turn)


def _open_image(image: Image.Image) -> Image.Image:
    if 0 in image.size:
        raise ImageError(f"the photo: {image.size[0]} x {image.size[1]} pixels")
    try:
        return _to_rgb(_upright(image))
    except (OSError, ValueError, SyntaxError, EOFError, MemoryError, IndexError) as error:
        raise ImageError(f"the photo: cannot be read as a photo ({error})") from error


def _to_rgb(image: Image.Image) -> Image.Image:
    """Return RGB: 16-bit scaled to 8, transparency laid on white.

    In strips of about a million pixels: the steps between would take several times the memory of
    the picture.
    """
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    width_px, height_px = image.size
    rgb = Image.new("RGB", image.size)
    rows_px = max(1, 2**20 // width_px)
    for top_px in range(0, height_px, rows_px):
        bottom_px = min(top_px + rows_px, height_px)
        rgb.paste(_flatten(image.crop((0, top_px, width_px, bottom_px))), (0, top_px))
    return rgb


def _flatten(strip: Image.Image) -> Image.Image:
    if strip.mode.startswith("I;16") or strip.mode == "I":
        # Pillow opens 16-bit grey as "I;16" or "I", and its own conversion clips at 255.
        grey = np.asarray(strip).astype(np.int64) >> 8
        return Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8)).convert("RGB")
    if strip.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in strip.info:
        rgba = strip.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")
    return strip.convert("RGB")


def _count_scans(jpeg: bytes) -> int:
    """Return how many scans a JPEG's decoder will go over: those before its end of image."""
    num_scans, at = 0, 2
    while (found := _MARKER.search(jpeg, at)) and found[0] != _END_OF_IMAGE:
        num_scans += found[0] == _START_OF_SCAN
        # What follows a marker begins with its own length; what it holds is not searched, as a
        # thumbnail has scans of its own.
        at = found.end() + int.from_bytes(jpeg[found.end() : found.end() + 2], "big")
    return num_scans


def _from_array(array: npt.NDArray[np.uint8]) -> Image.Image:
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or not array.size:
        raise ImageError(
            f"the photo: an array {array.dtype}{list(array.shape)}; accepted is uint8[H, W, 3], RGB"
        )
    return Image.fromarray(array)
