"""What a photo's bytes are: its format, told by the content and never by the ending of the name.

Each format that is read has one decoder, and only that one is given the bytes. Formats that people
have but that are not read here are named, with a way out.
"""

import dataclasses
import importlib
from collections.abc import Callable
from typing import Any

from PIL import Image

from edgecat.errors import ImageError, UnsupportedImageError

#: A way out; ImageMagick reads nearly all that people have.
CONVERT = "convert it to JPEG, for example with ImageMagick: convert PHOTO photo.jpg"


@dataclasses.dataclass(frozen=True)
class Format:
    """A format of pictures that is read.

    Attributes:
        name: As Pillow calls it.
        plugin: The module with its decoder; imported when a photo of it comes.
        begins: Tells whether bytes are of it.
        endings: Of names of such files.
        package: What `pip install` brings the decoder where it is missing.
        register: The function of `plugin` to call once; "" where importing it is enough.
    """

    name: str
    plugin: str
    begins: Callable[[bytes], bool]
    endings: tuple[str, ...]
    package: str = "pillow"
    register: str = ""


def _starts(*beginnings: bytes) -> Callable[[bytes], bool]:
    return lambda data: data.startswith(beginnings)


def _has_brand(*brands: bytes) -> Callable[[bytes], bool]:
    """Tell a file of ISO's base media format by its brands.

    Source: ISO/IEC 14496-12, section 4.3: size, "ftyp", major brand, version, compatible brands.
    """

    def begins(data: bytes) -> bool:
        if data[4:8] != b"ftyp":
            return False
        end = min(int.from_bytes(data[:4], "big"), 256)  # a dozen brands are many
        found = [data[8:12], *(data[at : at + 4] for at in range(16, end, 4))]
        return any(brand in found for brand in brands)

    return begins


# Source of the beginnings: ITU T.81; PNG, WebP, GIF89a, TIFF 6.0 and BigTIFF specifications;
# ISO/IEC 23008-12 (HEIF) and the AV1 Image File Format for brands. AVIF before HEIF: files of both
# have the brand "mif1". Of the endings: the IANA registry of media types, and what programs write.
FORMATS = (
    Format(
        "JPEG",
        "PIL.JpegImagePlugin",
        _starts(b"\xff\xd8\xff"),
        (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    ),
    Format("PNG", "PIL.PngImagePlugin", _starts(b"\x89PNG\r\n\x1a\n"), (".png", ".apng")),
    Format(
        "WEBP",
        "PIL.WebPImagePlugin",
        lambda data: data[:4] == b"RIFF" and data[8:12] == b"WEBP",
        (".webp",),
    ),
    Format("GIF", "PIL.GifImagePlugin", _starts(b"GIF87a", b"GIF89a"), (".gif",)),
    Format("BMP", "PIL.BmpImagePlugin", _starts(b"BM"), (".bmp", ".dib")),
    Format(
        "TIFF",
        "PIL.TiffImagePlugin",
        _starts(b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
        (".tif", ".tiff"),
    ),
    Format(
        "AVIF", "PIL.AvifImagePlugin", _has_brand(b"avif", b"avis"), (".avif",), "'pillow>=11.3'"
    ),
    Format(
        "HEIF",
        "pillow_heif",
        _has_brand(b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"),
        (".heic", ".heif", ".hif"),
        "'edgecat[heic]'",
        "register_heif_opener",
    ),
)

# Formats that are told but not read, and what begins them. DICOM, PS3.10: "DICM" after 128 bytes.
_UNREAD: dict[str, Callable[[bytes], bool]] = {
    "JPEG XL": _starts(b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"),
    "JPEG 2000": _starts(b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"),
    "DICOM": lambda data: data[128:132] == b"DICM",
    "Photoshop": _starts(b"8BPS"),
    "PDF": _starts(b"%PDF"),
    "SVG": lambda data: b"<svg" in data[:1024],
    "camera raw": _starts(b"FUJIFILMCCD-RAW", b"IIRO", b"IIU\0", b"II\x1a\0\0\0HEAPCCDR"),
    "video": lambda data: data[4:8] == b"ftyp" or data[:4] in (b"\x1a\x45\xdf\xa3", b"OggS"),
}

#: Of names of all photos that are read.
ENDINGS = tuple(ending for item in FORMATS for ending in item.endings)

#: The formats that are read, for messages.
NAMES = ", ".join(item.name for item in FORMATS)


def tell_format(data: bytes, name: str) -> Format:
    """Return the format of a photo.

    Args:
        data: The file's bytes.
        name: Of the photo, for messages.

    Raises:
        UnsupportedImageError: A known format that is not read.
        ImageError: No picture.
    """
    for item in FORMATS:
        if item.begins(data):
            return item
    for kind, begins in _UNREAD.items():
        if begins(data):
            raise UnsupportedImageError(
                f"{name}: {kind}, which is not read; accepted are {NAMES}: {CONVERT}"
            )
    raise ImageError(f"{name}: not a photo; accepted are {NAMES}, told by their content")


def import_decoder(item: Format, name: str) -> Any:
    """Make Pillow read a format.

    Args:
        item: One of `FORMATS`.
        name: Of the photo, for messages.

    Returns:
        The decoder's module.

    Raises:
        UnsupportedImageError: The decoder is not installed.
    """
    try:
        plugin = importlib.import_module(item.plugin)
        if item.register:
            getattr(plugin, item.register)()
    except ImportError:
        plugin = None
    if item.name not in Image.OPEN:
        raise UnsupportedImageError(
            f"{name}: {item.name}, which is not read here yet: pip install {item.package}, or "
            f"{CONVERT}"
        )
    return plugin
