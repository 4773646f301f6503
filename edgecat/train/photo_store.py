"""The photos to learn from, as tensors where training computes."""

import numpy as np
import torch
from torch import Tensor

from edgecat.train.data import TrainingData

# Of a GPU's free memory; the network's maps need the rest.
_ROOM_RATIO = 0.5


class PhotoStore:
    """Photos on a device: each is moved there when it is first asked for, as long as there is room.

    On a processor nothing is moved: the decoded photos are in its memory already.

    Attributes:
        device: Where they are wanted.
    """

    def __init__(self, data: TrainingData, device: torch.device) -> None:
        """Begin with none.

        Args:
            data: Where they come from.
            device: Where they are wanted.
        """
        self.device = device
        self._data = data
        self._kept: dict[int, Tensor] = {}
        self._room_bytes = 0
        if device.type == "cuda":
            free_bytes, _ = torch.cuda.mem_get_info(device)
            self._room_bytes = int(_ROOM_RATIO * free_bytes)

    def read(self, index: int) -> Tensor:
        """Return a photo to cut random crops from: uint8 `[H, W, 3]`, RGB, not to be written to.

        Args:
            index: As for `TrainingData.scaled`.
        """
        # Without a lock: of threads that ask for a photo at once, each moves it, and one is kept.
        if (kept := self._kept.get(index)) is not None:
            return kept
        pixels = np.require(self._data.scaled(index), requirements="W")
        photo = torch.from_numpy(pixels).to(self.device)
        if photo.nbytes <= self._room_bytes:
            self._room_bytes -= photo.nbytes
            self._kept[index] = photo
        return photo
