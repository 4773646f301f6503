"""What the largest photos that are accepted cost: the files that a device could choke on.

python -m benchmarks.reliability.largest_photos

Each is drawn here as large as `edgecat.photos.pixels` takes its kind, in one colour, so that the
file is small, and read in a process of its own: processor time and peak memory.
"""

import functools
import math
import tempfile
from pathlib import Path
from typing import Any

import click
from PIL import Image
from pillow_heif import register_heif_opener

from benchmarks.reliability.fuzzing import FINE, MAX_CPU_S, run_cases
from benchmarks.results import write_result
from edgecat.errors import ImageError
from edgecat.photos.decode import MAX_DECODED_PIXELS, MAX_PIXELS
from edgecat.photos.pixels import load_pixels

register_heif_opener()  # it draws with it, too

# Kind -> the mode and format that Pillow writes, and options.
_KINDS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "nothing": ("RGB", "PNG", {}),  # 1 x 1 pixel: what the process itself takes
    "jpeg": ("RGB", "JPEG", {}),
    "jpeg progressive": ("RGB", "JPEG", {"progressive": True, "subsampling": 0}),
    "png": ("RGB", "PNG", {}),
    "png alpha": ("RGBA", "PNG", {}),
    "png grey 16 bit": ("I;16", "PNG", {}),
    "png palette": ("P", "PNG", {"transparency": 0}),
    "webp": ("RGB", "WEBP", {}),
    "webp alpha": ("RGBA", "WEBP", {"lossless": True, "method": 0}),
    "gif": ("P", "GIF", {}),
    "bmp": ("RGB", "BMP", {}),
    "tiff": ("RGB", "TIFF", {"compression": "tiff_lzw"}),
    "tiff grey 16 bit": ("I;16", "TIFF", {"compression": "tiff_lzw"}),
    "avif": ("RGB", "AVIF", {}),
    "heic": ("RGB", "HEIF", {}),
}


def check(path: Path, _case: int) -> tuple[str, str]:
    """Read the photo at a path."""
    try:
        load_pixels(path)
    except ImageError as error:
        return "refused", str(error)
    return "answered", ""


def side_px(kind: str) -> int:
    """Return the side of the largest square of a kind."""
    if kind == "nothing":
        return 1
    return math.isqrt(MAX_PIXELS if kind == "jpeg" else MAX_DECODED_PIXELS)


@click.command()
def main() -> None:
    """Read each kind, write the result, and fail if one is refused or takes too long."""
    rows = {}
    Image.MAX_IMAGE_PIXELS = None
    with tempfile.TemporaryDirectory() as folder:
        for kind, (mode, file_format, options) in _KINDS.items():
            path = Path(folder) / "photo"
            Image.new(mode, (side_px(kind),) * 2).save(path, file_format, **options)
            outcome = run_cases(functools.partial(check, path), 1, 1)
            rows[kind] = {
                "side_px": side_px(kind),
                "file_bytes": path.stat().st_size,
                "cpu_s": outcome.slowest_s,
                "peak_rss_bytes": outcome.peak_rss_bytes,
                "counts": dict(outcome.counts),
            }
            print(kind, rows[kind])
    write_result("largest_photos", {"max_cpu_s": MAX_CPU_S, "kinds": rows})
    if any(row["counts"] != {FINE[0]: 1} for row in rows.values()):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
