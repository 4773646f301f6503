"""Damaged photos through `load_pixels`, which must refuse them or make pixels of them.

python -m benchmarks.reliability.fuzz_pixels

The seeds are drawn here: JPEG (progressive, grey, CMYK, with EXIF), PNG (palette, alpha, 16-bit,
interlaced, animated), WebP, GIF, BMP, TIFF (compressed, 16-bit, pages), AVIF and HEIC. Each case
changes one of them by bits, lengths, chunks, truncation and parts of another file. It is "refused"
by an ImageError, or "answered" with uint8 [224, 224, 3]; anything else is a finding. An answer is
no fault by itself: many flipped bits leave a picture that decodes, and no decoder can know that it
once looked different.
"""

import functools
import io
import random
import struct
import zlib

import click
import numpy as np
import numpy.typing as npt
from PIL import Image
from pillow_heif import register_heif_opener

from benchmarks.reliability.fuzzing import run_cases
from benchmarks.reliability.mutations import mutate
from benchmarks.results import write_result
from edgecat.errors import ImageError
from edgecat.photos.pixels import load_pixels

_SEED = 20_26

register_heif_opener()  # it draws its seeds with it, too

# The starting point, increment and direction of each pass; source: PNG (Third Edition), 8.
_ADAM7 = (
    (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
    (0, 1, 1, 2),
)  # fmt: skip


def check(case: int) -> tuple[str, str]:
    """Try the damaged photo of this number."""
    data = make_case(case)
    try:
        pixels = load_pixels(data)
    except ImageError as error:
        return "refused", str(error)
    except Exception as error:
        return "exception", f"{type(error).__name__}: {error}"
    if pixels.dtype != np.uint8 or pixels.shape != (224, 224, 3):
        return "wrong answer", f"{pixels.dtype}{list(pixels.shape)}"
    return "answered", ""


def make_case(case: int) -> bytes:
    """Return the damaged photo of this number, always the same."""
    rng = random.Random(f"{_SEED} {case}")
    seeds = draw_seeds()
    return mutate(rng, rng.choice(list(seeds.values())), list(seeds.values()))


@functools.cache
def draw_seeds() -> dict[str, bytes]:
    """Return a good file of each kind, by name."""
    rng = np.random.default_rng(_SEED)
    blotches = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
    photo = blotches.resize((64, 48), Image.Resampling.BICUBIC)
    grey, frames = photo.convert("L"), [photo.rotate(20 * i) for i in range(1, 4)]
    alpha = photo.copy()
    alpha.putalpha(grey)
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "edgecat"  # orientation, maker
    animated = {"save_all": True, "append_images": frames, "duration": 40, "loop": 0}
    deep = np.asarray(photo).astype(np.uint16) * 257
    return {
        "jpeg": _save(photo, "JPEG", exif=exif, comment=b"drawn"),
        "jpeg 4:4:4": _save(photo, "JPEG", quality=95, subsampling=0),
        "jpeg progressive": _save(photo, "JPEG", progressive=True),
        "jpeg restart": _save(photo, "JPEG", restart_marker_rows=1),
        "jpeg large": _save(photo.resize((1200, 900)), "JPEG", quality=30),
        "jpeg grey": _save(grey, "JPEG"),
        "jpeg cmyk": _save(photo.convert("CMYK"), "JPEG"),
        "png": _save(photo, "PNG", exif=exif),
        "png alpha": _save(alpha, "PNG"),
        "png palette": _save(photo.quantize(16), "PNG", transparency=3),
        "png 1 bit": _save(photo.convert("1"), "PNG"),
        "png grey 16 bit": _encode_png(deep[..., 0], colour_type=0),
        "png rgb 16 bit": _encode_png(deep, colour_type=2),
        "png interlaced": _encode_png(np.asarray(photo), colour_type=2, interlaced=True),
        "png animated": _save(photo, "PNG", **animated),
        "webp": _save(photo, "WEBP", exif=exif),
        "webp lossless": _save(photo, "WEBP", lossless=True),
        "webp alpha": _save(alpha, "WEBP"),
        "webp animated": _save(photo, "WEBP", **animated),
        "gif": _save(photo, "GIF", interlace=1),
        "gif animated": _save(alpha.quantize(32), "GIF", transparency=2, disposal=2, **animated),
        "bmp": _save(photo, "BMP"),
        "bmp alpha": _save(alpha, "BMP"),
        "bmp palette": _save(photo.quantize(16), "BMP"),
        "bmp 1 bit": _save(photo.convert("1"), "BMP"),
        "tiff": _save(photo, "TIFF", exif=exif),
        "tiff lzw": _save(photo, "TIFF", compression="tiff_lzw"),
        "tiff deflate": _save(alpha, "TIFF", compression="tiff_adobe_deflate"),
        "tiff jpeg": _save(photo, "TIFF", compression="jpeg"),
        "tiff fax": _save(photo.convert("1"), "TIFF", compression="group4"),
        "tiff 16 bit": _save(Image.fromarray(deep[..., 0]), "TIFF"),
        "tiff pages": _save(photo, "TIFF", save_all=True, append_images=frames),
        "tiff big": _save(photo, "TIFF", big_tiff=True),
        "avif": _save(photo, "AVIF", exif=exif),
        "avif alpha": _save(alpha, "AVIF"),
        "avif animated": _save(photo, "AVIF", **animated),
        "heic": _save(photo, "HEIF"),
        "heic alpha": _save(alpha, "HEIF"),
        "heic several": _save(photo, "HEIF", save_all=True, append_images=frames),
    }


def _save(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def _encode_png(
    pixels: npt.NDArray[np.uint8] | npt.NDArray[np.uint16],
    colour_type: int,
    *,
    interlaced: bool = False,
) -> bytes:
    """Return a PNG of a kind that Pillow does not write: 16 bits a channel, or interlaced."""
    height_px, width_px = pixels.shape[:2]
    passes = _ADAM7 if interlaced else ((0, 0, 1, 1),)
    rows = b"".join(
        b"\0" + row.astype(row.dtype.newbyteorder(">")).tobytes()
        for left, top, across, down in passes
        for row in pixels[top::down, left::across]
    )
    depth = 8 * pixels.dtype.itemsize
    header = struct.pack(">LLBBBBB", width_px, height_px, depth, colour_type, 0, 0, interlaced)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data))
        for kind, data in chunks
    )


@click.command()
@click.option("--cases", "num_cases", default=40_000, show_default=True)
def main(num_cases: int) -> None:
    """Run all cases, write the result, and fail if there is a finding."""
    outcome = run_cases(check, num_cases)
    print(outcome.describe())
    write_result("fuzz_pixels", {"num_cases": num_cases} | outcome.to_dict())
    if outcome.findings:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
