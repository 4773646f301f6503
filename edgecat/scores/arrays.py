"""Arrays of numpy's own format, read without trust."""

import io
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecat.errors import BundleError


def read_array(data: bytes, where: str) -> npt.NDArray[Any]:
    """Return the one array of a file.

    Args:
        data: The file's content.
        where: The file's name, for messages.

    Raises:
        BundleError: It is something else.
    """
    try:
        # Not np.load, which opens a zip of arrays, too.
        array: npt.NDArray[Any] = np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
    except Exception as error:  # a forged header: TypeError, OverflowError, TokenError, ...
        raise BundleError(f"{where}: cannot be read ({error}); export it again") from error
    return array
