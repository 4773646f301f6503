"""Why a classifier answers so: where in the photo the evidence for a class lies."""

import dataclasses
import io
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from edgecat.photos.pixels import Pixels
from edgecat.runtime.prediction import Prediction
from edgecat.scores.heat import Heat, find_hottest

# Nine of the colours of "viridis", evenly spread: their lightness grows as the heat does, for
# colour-blind eyes and on grey paper, too. Those between them are within 4 of 255 of the original.
# Source: matplotlib's viridis, by van der Walt and Smith, CC0.
_COLOURS = (
    (68, 1, 84), (71, 45, 123), (59, 82, 139), (44, 114, 142), (33, 145, 140), (40, 174, 128),
    (94, 201, 98), (173, 220, 48), (253, 231, 37),
)  # fmt: skip

# Share of a pixel that is the heat's colour; the rest is the photo in grey.
_OPACITY_RATIO = 0.6

# Between the two pictures, white.
_GAP_PX = 4

# Of zlib, 1 to 9: a tenth larger than with 6, in a third of the time.
_COMPRESSION = 1


@dataclasses.dataclass(frozen=True)
class Explanation:
    """An answer and where its reasons lie.

    Attributes:
        prediction: The answer.
        label: The class whose evidence is shown.
        heat: float32 `[h, w]`, each position's part of that class's logit.
        pixels: uint8 `[H, W, 3]`, RGB: what the model saw, the middle of the photo.
    """

    prediction: Prediction
    label: str
    heat: Heat
    pixels: Pixels

    def describe(self) -> str:
        """Return in words where the evidence is strongest."""
        left_ratio, top_ratio = find_hottest(self.heat)
        return (
            f"{self.label} is seen at {100 * left_ratio:.0f} % from left, "
            f"{100 * top_ratio:.0f} % from top"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as `edgecat explain --json` prints them."""
        left_ratio, top_ratio = find_hottest(self.heat)
        return {
            "label": self.label,
            "heat": self.heat.tolist(),
            "hottest": {"left_ratio": left_ratio, "top_ratio": top_ratio},
        }

    def draw(self) -> bytes:
        """Return a PNG: what the model saw, and the same under the heat."""
        gap = np.full((len(self.pixels), _GAP_PX, 3), 255, np.uint8)
        return encode_png(np.concatenate([self.pixels, gap, self.draw_overlay()], axis=1))

    def draw_overlay(self) -> Pixels:
        """Return the photo in grey under the heat's colours: uint8 `[H, W, 3]`, RGB."""
        height_px, width_px, _ = self.pixels.shape
        shown = Image.fromarray(_scale(self.heat)).resize(
            (width_px, height_px), Image.Resampling.BILINEAR
        )
        grey = np.asarray(Image.fromarray(self.pixels).convert("L"), np.float32)[..., None]
        mixed = _OPACITY_RATIO * _colour(np.asarray(shown)) + (1 - _OPACITY_RATIO) * grey
        return mixed.round().astype(np.uint8)


def _scale(heat: Heat) -> npt.NDArray[np.float32]:
    """Return heat as 0-1, the hottest position 1; what speaks against the class is 0."""
    positive = np.maximum(heat, 0)
    hottest = np.float32(max(positive.max(), np.finfo(np.float32).tiny))
    return np.asarray(positive / hottest)


def _colour(ratios: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Return colours, float64 `[H, W, 3]`, 0-255, for ratios `[H, W]`."""
    places = np.linspace(0, 1, len(_COLOURS))
    channels = np.array(_COLOURS, np.float64).T
    return np.stack([np.interp(ratios, places, channel) for channel in channels], axis=-1)


def encode_png(pixels: Pixels) -> bytes:
    """Return uint8 `[H, W, 3]`, RGB, as a PNG file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=_COMPRESSION)
    return file.getvalue()
