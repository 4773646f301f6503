"""The golden photos of a bundle: drawings in the formats that a device meets, and the answers."""

import base64
import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from edgecat.bundle.golden import Golden, GoldenPhoto, hash_pixels
from edgecat.photos.drawings import draw_cat
from edgecat.photos.input import InputSpec
from edgecat.photos.pixels import load_pixels
from edgecat.quantize.model import Model, open_all
from edgecat.runtime.engine import Engine

# Source: Exif 2.32, tag 0x0112; 6: turn by 90 degrees clockwise to see it upright.
_ORIENTATION, _TURNED = 0x0112, 6


def answer_golden(models: Sequence[Model], spec: InputSpec) -> Golden:
    """Let every variant of a bundle answer the golden photos.

    Args:
        models: All of them.
        spec: What they take.
    """
    with open_all(models) as engines:
        return build_golden(engines, spec)


def build_golden(engines: Sequence[Engine], spec: InputSpec) -> Golden:
    """Let engines answer the golden photos.

    Args:
        engines: Every variant of the bundle, open.
        spec: What they take.
    """
    photos = draw_photos().items()
    return Golden(tuple(_answer(name, data, engines, spec) for name, data in photos))


def draw_photos() -> dict[str, bytes]:
    """Return the golden photos' files by name, always the same: 10 kB in all.

    One each for what a decoder may do otherwise: a JPEG so large that it is decoded at half its
    size, a camera's turned JPEG, a PNG whose transparency is laid on white and that is scaled up.
    """
    large = draw_cat("Siamese", np.random.default_rng(2), 24)
    turned = draw_cat("Bengal", np.random.default_rng(2), 128).crop((0, 16, 128, 112))
    alpha = draw_cat("Persian", np.random.default_rng(3), 16)
    alpha.putalpha(Image.radial_gradient("L").resize(alpha.size))
    exif = Image.Exif()
    exif[_ORIENTATION] = _TURNED
    return {
        # Enlarged: the noise of a drawing of this size would take 100 kB.
        "large.jpg": _encode(large.resize((1062, 1062), Image.Resampling.BICUBIC), "JPEG", 5),
        "turned.jpg": _encode(turned, "JPEG", 50, exif=exif),
        "alpha.png": _encode(alpha, "PNG"),
    }


def _encode(image: Image.Image, kind: str, quality: int = 0, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, quality=quality, optimize=True, **options)
    return file.getvalue()


def _answer(name: str, data: bytes, engines: Sequence[Engine], spec: InputSpec) -> GoldenPhoto:
    pixels = load_pixels(data, spec)
    return GoldenPhoto(
        name,
        base64.b64encode(data).decode(),
        hash_pixels(pixels),
        {
            # The shortest text that is this float32: as a float64 it would be twice as long.
            engine.name: tuple(float(str(logit)) for logit in engine.run(pixels[None])[0])
            for engine in engines
        },
    )
