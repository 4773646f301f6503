"""What can be told of a photo without knowing what it shows, measured as the model gets it."""

import dataclasses
import io
import warnings

import numpy as np
from PIL import Image

from edgecat.photos.formats import tell_format
from edgecat.photos.pixels import Pixels

# Source: ITU-R BT.601, 2.5.1: red, green and blue in luma.
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)

# Colours count as one where their channels differ by less than that: JPEG does not keep them.
_COLOUR_STEP = 8


@dataclasses.dataclass(frozen=True)
class Look:
    """A photo's looks. All but the first three are of what `scale_photo` makes of it.

    Attributes:
        format: As Pillow calls it.
        width_px: Of the file.
        height_px: Of the file.
        bright_luma: 0-255; 95 % of the pixels are darker.
        sharpness_ratio: Variance of the Laplacian by that of the luma: fine detail by all detail.
        top_colour_ratio: Share of the pixels that have its most frequent colour, 0-1.
    """

    format: str
    width_px: int
    height_px: int
    bright_luma: float
    sharpness_ratio: float
    top_colour_ratio: float

    @property
    def shorter_side_px(self) -> int:
        """Return the shorter of its sides."""
        return min(self.width_px, self.height_px)

    @property
    def aspect_ratio(self) -> float:
        """Return its longer side by its shorter one, 1 or more."""
        return max(self.width_px, self.height_px) / self.shorter_side_px


def measure_look(data: bytes, scaled: Pixels) -> Look:
    """Measure a photo that could be read.

    Args:
        data: The file's bytes.
        scaled: uint8 `[H, W, 3]`, RGB: what `edgecat.photos.pixels.scale_photo` made of them.
    """
    kind = tell_format(data, "the photo").name
    with warnings.catch_warnings():  # as in `edgecat.photos.decode`: its limits hold already
        warnings.simplefilter("ignore")
        with Image.open(io.BytesIO(data), formats=[kind]) as image:
            width_px, height_px = image.size
    luma = scaled.astype(np.float32) @ _LUMA
    middle = luma[1:-1, 1:-1]
    around = luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:]
    steps = scaled.astype(np.int64) // _COLOUR_STEP
    colours = np.bincount((steps @ [32 * 32, 32, 1]).ravel())
    return Look(
        format=kind,
        width_px=width_px,
        height_px=height_px,
        bright_luma=float(np.percentile(luma, 95)),
        # Of a plain wall both are 0: as sharp as it can be.
        sharpness_ratio=float((4 * middle - around).var() / max(luma.var(), 1.0)),
        top_colour_ratio=float(colours.max() / colours.sum()),
    )
