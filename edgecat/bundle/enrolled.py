"""The units of classes that were enrolled after the export, in a file of the bundle."""

import io

import numpy as np

from edgecat.bundle.store import Bundle
from edgecat.errors import BundleError
from edgecat.scores.arrays import read_array
from edgecat.scores.head import Layer

ENROLLED_FILE = "enrolled.npy"


def load_enrolled(bundle: Bundle) -> Layer | None:
    """Return the units, which read the features; None where nothing was enrolled.

    Raises:
        BundleError: The file is damaged.
    """
    if bundle.spec.enrolled is None:
        return None
    where = str(bundle.path / bundle.spec.enrolled)
    rows = read_array(bundle.read(bundle.spec.enrolled), where)
    is_ours = rows.dtype == np.float32 and rows.ndim == 2 and min(rows.shape) >= 1
    if not is_ours or rows.shape[1] < 2 or not np.isfinite(rows).all():
        raise BundleError(
            f"{where}: {rows.dtype}{list(rows.shape)}, expected finite float32, a row a class; "
            "enroll the class again"
        )
    return Layer(rows[:, 1:], rows[:, 0])


def write_enrolled(units: Layer) -> bytes:
    """Return the file of units: a row each, its bias first."""
    file = io.BytesIO()
    np.save(file, np.hstack([units.biases[:, None], units.weights]), allow_pickle=False)
    return file.getvalue()
