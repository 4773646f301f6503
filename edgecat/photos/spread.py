"""Some of many photos, evenly: those of a split lie class by class."""

import numpy as np
import numpy.typing as npt


def spread(num: int, most: int) -> npt.NDArray[np.int64]:
    """Return int64 positions from the first to the last, evenly spread: all of `num`, or `most`."""
    return np.linspace(0, num - 1, min(num, most)).astype(np.int64)
