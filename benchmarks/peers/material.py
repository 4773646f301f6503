"""What every peer is given: the same weights, the same pixels. It is read with numpy alone."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclasses.dataclass(frozen=True)
class Material:
    """A folder that `benchmarks.peers.prepare` wrote.

    Attributes:
        folder: Holds the files below.
    """

    folder: Path

    @property
    def graph(self) -> Path:
        """The checkpoint as torch exports it to ONNX: `normalize`d float32 `[1, 3, H, W]` in."""
        return self.folder / "float.onnx"

    @property
    def bundle(self) -> Path:
        """What edgecat exports of the same checkpoint."""
        return self.folder / "bundle"

    @property
    def facts(self) -> dict[str, Any]:
        """The network's name, its number of classes, mean and std; and which run this is of."""
        facts: dict[str, Any] = json.loads((self.folder / "facts.json").read_text())
        return facts

    def load_weights(self) -> dict[str, npt.NDArray[Any]]:
        """Return the network's tensors, by torchvision's names."""
        with np.load(self.folder / "weights.npz") as file:
            return dict(file)

    def load_photos(self) -> npt.NDArray[np.uint8]:
        """Return the photos to answer, uint8 `[N, H, W, 3]`, RGB: none of them trained."""
        return np.load(self.folder / "photos.npy", mmap_mode="r")

    def load_calibration(self) -> npt.NDArray[np.uint8]:
        """Return training photos to calibrate with, uint8 `[N, H, W, 3]`, RGB."""
        return np.load(self.folder / "calibration.npy", mmap_mode="r")

    def load_answers(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        """Return of each photo its class, and the checkpoint's logits, float32 `[N, K]`."""
        return np.load(self.folder / "targets.npy"), np.load(self.folder / "logits.npy")

    def normalize(self, photos: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Return photos, uint8 `[N, H, W, 3]`, as networks take them: float32 `[N, 3, H, W]`."""
        facts = self.facts
        mean, std = (255 * np.array(facts[name], np.float32) for name in ("mean", "std"))
        scaled = (photos.astype(np.float32) - mean) / std
        return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2))
