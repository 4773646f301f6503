"""The same photo under two labels: a mistake in the labels, which no training can learn away."""

import functools
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

from edgecat.errors import DatasetError
from edgecat.photos.folder import LabelledPhoto
from edgecat.photos.pixels import Pixels
from edgecat.photos.split import Fingerprint, find_near
from edgecat.progress import describe_count

#: What to do about them: refuse, leave both out, or train on them as they are.
CONFLICTS = ("stop", "drop", "keep")

# A fingerprint knows only where it gets brighter, so two plain walls of other colours have the
# same one. So both photos are compared at this side, too,
_SIDE_PX = 32
# and they are the same up to this mean difference, 0-255: of 150 cat photos saved again at 0.4 to
# 1.6 of their size and JPEG quality 30 to 80, no copy differs by more than 5.6; of 1,900 cat photos
# no two that are not of one scene, and near in their fingerprints, differ by less than 21.
_SAME_LEVELS = 8.0

# Of so many pairs each is named; where there are more, it is hardly a mistake in single labels.
_NUM_NAMED = 200


def find_conflicts(
    photos: Sequence[LabelledPhoto],
    fingerprints: Sequence[Fingerprint],
    pixels_of: Callable[[int], Pixels],
) -> list[tuple[int, int]]:
    """Return the positions of photos that are the same, or nearly so, with different labels.

    Args:
        photos: With their labels.
        fingerprints: Of each.
        pixels_of: Returns the photo at a position, uint8 `[H, W, 3]`, RGB.
    """
    shrunk = functools.cache(lambda i: _shrink(pixels_of(i)))
    labels = np.array([photo.label for photo in photos])
    return [
        (i, j)
        for i, near in find_near(fingerprints)
        for j in map(int, near[labels[near] != labels[i]])
        if float(np.abs(shrunk(i) - shrunk(j)).mean()) <= _SAME_LEVELS
    ]


def settle_conflicts(
    photos: Sequence[LabelledPhoto], pairs: Sequence[tuple[int, int]], conflicts: str
) -> set[int]:
    """Return the positions of the photos to leave out: all that are in pairs.

    Args:
        photos: With their labels.
        pairs: As `find_conflicts` returns them.
        conflicts: "stop" or "drop".

    Raises:
        DatasetError: There are pairs and `conflicts` is "stop"; they are named.
    """
    if pairs and conflicts == "stop":
        lines = "\n  ".join(f"{photos[i].path}  =  {photos[j].path}" for i, j in pairs[:_NUM_NAMED])
        if len(pairs) > _NUM_NAMED:
            lines += f"\n  and {len(pairs) - _NUM_NAMED} more"
        raise DatasetError(
            f"{describe_count(len(pairs), 'pair')} of the same photo, or nearly, in two classes:"
            f"\n  {lines}\nOf each pair, remove the one with the wrong label; or leave both out "
            "with --conflicts drop, or train on both as they are with --conflicts keep "
            "(right where classes differ in a detail only, as parts before a fixed camera do)."
        )
    return {i for pair in pairs for i in pair}


def _shrink(pixels: Pixels) -> npt.NDArray[np.int16]:
    image = Image.fromarray(pixels).resize((_SIDE_PX, _SIDE_PX), Image.Resampling.BOX)
    return np.asarray(image).astype(np.int16)
