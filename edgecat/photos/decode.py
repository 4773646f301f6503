"""A photo's bytes -> an upright 8-bit RGB picture, within limits that are checked before any work.

EXIF orientation is applied; grey, CMYK, palette, alpha and 16-bit pictures come out as RGB. Of a
file with several pages or frames the first is taken.
"""

import io
import math
import re
import struct
import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from edgecat.errors import EdgecatError, ImageError, describe_reason
from edgecat.photos.formats import CONVERT, import_decoder, tell_format
from edgecat.photos.input import IMAGENET
from edgecat.photos.tiff import Depth, count_decoded, read_depth
from edgecat.photos.tree import describe_folder

#: A photo: a file, its bytes, an open PIL image, or uint8 `[H, W, 3]` RGB.
Photo = str | Path | bytes | Image.Image | npt.NDArray[np.uint8]

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

# Everything that Pillow's decoders are known to raise on damaged files.
_BROKEN = (
    OSError, ValueError, SyntaxError, EOFError, MemoryError, IndexError, RuntimeError, struct.error,
)  # fmt: skip


def open_photo(photo: Photo, shorter_side_px: int = IMAGENET.shorter_side_px) -> Image.Image:
    """Return a photo as an upright 8-bit RGB picture.

    A large JPEG is decoded at 1/2, 1/4 or 1/8 of its size, as long as its shorter side stays at
    least twice what the model takes: much faster for camera photos, and the same everywhere.

    Args:
        photo: See `Photo`.
        shorter_side_px: What its shorter side will be scaled to.

    Raises:
        UnsupportedImageError: A known format that is not read, or not here.
        ImageError: Not a photo, broken, or larger than `MAX_PIXELS`.
    """
    if isinstance(photo, np.ndarray):
        return _from_array(photo)
    if isinstance(photo, Image.Image):
        return _open_image(photo)
    name = "the photo" if isinstance(photo, bytes) else str(photo)
    data = photo if isinstance(photo, bytes) else read_photo(Path(photo))
    if not data:
        raise ImageError(f"{name}: empty (0 bytes)")
    item = tell_format(data, name)
    import_decoder(item, name)
    try:
        with warnings.catch_warnings():
            # Pillow warns of bombs far below our own limit, and of harmless EXIF oddities.
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=[item.name]) as image:
                _limit_costs(image, data, name, shorter_side_px)
                depth = read_depth(image, name)
                return _to_rgb(_upright(image), depth)
    except UnidentifiedImageError:
        raise ImageError(
            f"{name}: a {item.name} that cannot be read: damaged, or of a kind that Pillow does "
            f"not know; {CONVERT}"
        ) from None
    except Image.DecompressionBombError:
        raise ImageError(
            f"{name}: too many pixels; at most {MAX_PIXELS:,} are accepted, scale it down first"
        ) from None
    except _BROKEN as error:
        raise ImageError(f"{name}: cannot be read as a photo ({error})") from error


def find_oddities(data: bytes) -> tuple[str, ...]:
    """Return what a person should know of a photo that `open_photo` reads; mostly nothing.

    Args:
        data: The file's bytes.
    """
    item = tell_format(data, "the photo")
    if item.name in ("JPEG", "BMP"):
        return ()
    found = []
    try:
        with Image.open(io.BytesIO(data), formats=[item.name]) as image:
            if getattr(image, "is_animated", False):
                found.append("has several pages, of which the first is taken")
            # Cameras and detectors of 12 bits write files of 16, of which 4 bits are left in 8.
            white = 2 ** read_depth(image, "the photo").num_bits - 1
            if image.mode.startswith("I;16") and (span := np.ptp(np.asarray(image))) < white / 16:
                found.append(
                    f"has {span} of {white} steps between its darkest and its brightest pixel, so "
                    "little is left of it in 8 bits; save it with the whole range"
                )
    except (*_BROKEN, Image.DecompressionBombError) as error:  # of a later page
        found.append(f"has pages behind the first that cannot be read ({error})")
    return tuple(found)


def describe_fault(error: EdgecatError, path: str | Path = "") -> str:
    """Return what is wrong with a photo, without its name.

    Args:
        error: Of `read_photo`, or of what was done with a photo's bytes.
        path: The file, if there is one.
    """
    return error.without("the photo", str(path))


def read_photo(path: Path) -> bytes:
    """Return a file's bytes.

    Raises:
        ImageError: No such file, a folder, unreadable, or larger than `MAX_BYTES`.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except IsADirectoryError as error:
        raise ImageError(f"{path}: {describe_folder(path)}") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise ImageError(f"{path}: cannot be read ({describe_reason(error)})") from error
    if len(data) > MAX_BYTES:
        raise ImageError(f"{path}: larger than {MAX_BYTES // 2**20} MiB")
    return data


def _limit_costs(image: Image.Image, data: bytes, name: str, shorter_side_px: int) -> None:
    # Before anything is decoded: what a header says is free to read.
    width_px, height_px = image.size
    if width_px * height_px > MAX_PIXELS:
        raise ImageError(
            f"{name}: {width_px} x {height_px} pixels; at most {MAX_PIXELS:,} in all are "
            "accepted, scale it down first"
        )
    decoded_px = count_decoded(image)
    num_scans = _count_scans(data) if data.startswith(_START_OF_IMAGE) else 0
    if num_scans > MAX_SCANS:
        raise ImageError(f"{name}: a JPEG in {num_scans} scans; at most {MAX_SCANS} are accepted")
    scale = 2 * shorter_side_px / min(image.size)
    if num_scans and scale < 1:  # of a HEIF it would take a thumbnail
        image.draft("RGB", (int(width_px * scale), int(height_px * scale)))
    if num_scans == 1:  # several scans are decoded whole; of one, what `draft` has left
        decoded_px = math.prod(image.size)
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
        return _to_rgb(_upright(image), read_depth(image, "the photo"))
    except _BROKEN as error:
        raise ImageError(f"the photo: cannot be read as a photo ({error})") from error


def _to_rgb(image: Image.Image, depth: Depth) -> Image.Image:
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
        strip = image.crop((0, top_px, width_px, bottom_px))
        rgb.paste(_flatten(strip, depth), (0, top_px))
    return rgb


def _flatten(strip: Image.Image, depth: Depth) -> Image.Image:
    if strip.mode.startswith("I;16") or strip.mode == "I":
        # Pillow opens 16-bit grey as "I;16" or "I", and its own conversion clips at 255.
        grey = np.clip(np.asarray(strip).astype(np.int64) >> max(0, depth.num_bits - 8), 0, 255)
        grey = 255 - grey if depth.is_inverted else grey
        return Image.fromarray(grey.astype(np.uint8)).convert("RGB")
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
