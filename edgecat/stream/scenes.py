"""Which of a camera's frames may be kept: one of each scene, and not one after the other."""

import collections
import hashlib

import numpy as np
import numpy.typing as npt
from PIL import Image

from edgecat.keep.keeper import Keeper, Source
from edgecat.photos.pixels import Pixels
from edgecat.runtime.prediction import Prediction
from edgecat.stream.mailbox import Frame

#: After a kept frame the next one is kept so much later at the soonest, in seconds: two or three of
#: a cat's way through a flap, and not each of its steps.
GAP_S = 5.0

#: Scenes that are not kept again. Old ones are forgotten: snow, or a moved chair, is new.
NUM_REMEMBERED = 50

# A scene as a grid of grey places, 0-255, so coarse that a sensor's noise is averaged out. No
# fingerprint (`edgecat.photos.split`), which is to know copies of a photo whatever was done to it.
# This and the limits below were chosen on drawings like those of tests/stream/test_scenes.py.
_GRID = 16

# Grey levels by which a place has changed: noise in the dark stays well below.
_CHANGED_LEVELS = 6

# Places that may change in the same scene, 1 % of the picture: leaves, a cat's breath.
_NUM_SAME = 3

_Scene = npt.NDArray[np.float32]


class Scenes:
    """Hands frames to a keeper, but those that look like one that was kept lately.

    A cat that sleeps before a camera for an hour would be kept a thousand times, and all else would
    make room for it.
    """

    def __init__(self, keeper: Keeper, gap_s: float = GAP_S) -> None:
        """Begin without a scene.

        Args:
            keeper: Keeps frames that are worth a look.
            gap_s: See `GAP_S`; 0 of a recording, which is answered faster than it was taken.
        """
        self._keeper = keeper
        self._gap_s = gap_s
        self._kept: collections.deque[_Scene] = collections.deque(maxlen=NUM_REMEMBERED)
        self._not_before_s = -np.inf

    def look_at(self, frame: Frame, pixels: Pixels, prediction: Prediction, source: Source) -> None:
        """Keep an answered frame if it is worth a look and shows a scene that is not kept yet.

        Args:
            frame: As it came.
            pixels: uint8 `[H, W, 3]`, RGB, as the model saw it.
            prediction: The answer to this frame alone.
            source: Who answered it.
        """
        if frame.complete_s < self._not_before_s:
            return
        scene = _draw_scene(pixels)
        if any(_is_same(scene, other) for other in self._kept):
            return
        sha256 = hashlib.sha256(frame.data).hexdigest()
        if self._keeper.look_at(frame.data, sha256, prediction, source):
            self._kept.append(scene)
            self._not_before_s = frame.complete_s + self._gap_s


def _draw_scene(pixels: Pixels) -> _Scene:
    """Return a picture as a grid of grey places, less their mean: a cloud is no new scene."""
    size = (_GRID, _GRID)
    small = Image.fromarray(pixels).convert("L").resize(size, Image.Resampling.BOX)
    grey = np.asarray(small, np.float32)
    scene: _Scene = grey - grey.mean()
    return scene


def _is_same(scene: _Scene, other: _Scene) -> bool:
    return int(np.count_nonzero(np.abs(scene - other) > _CHANGED_LEVELS)) <= _NUM_SAME
