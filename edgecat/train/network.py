"""A network with the product's input: uint8 photos in, logits out."""

import math
from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from edgecat.photos.input import InputSpec
from edgecat.photos.pixels import Pixels
from edgecat.scores.metrics import Indices, Logits
from edgecat.scores.ood import Features
from edgecat.train.architecture import Architecture, find_architecture
from edgecat.train.cache import PhotoCache

# Photos a step when nothing is learned: larger is no faster on a CPU.
_EVAL_BATCH = 64


class PhotoNetwork(nn.Module):
    """A network that takes what `edgecat.photos.pixels` gives: scaling, mean and std are inside.

    Attributes:
        network: What `Architecture.build` returned.
        architecture: What is known of it.
        input: What it takes.
        memory_format: How maps lie in memory: channels_last computes faster; export needs
            contiguous ones, or the graph gets a Gather after every average.
    """

    mean: Tensor
    std: Tensor
    memory_format: torch.memory_format = torch.channels_last

    def __init__(self, network: nn.Module, architecture: Architecture, spec: InputSpec) -> None:
        """Put the preprocessing's arithmetic in front of a network."""
        super().__init__()
        self.network, self.architecture, self.input = network, architecture, spec
        for name, ratios in (("mean", spec.mean_ratio), ("std", spec.std_ratio)):
            values = 255 * torch.tensor(ratios, dtype=torch.float32).reshape(1, 3, 1, 1)
            self.register_buffer(name, values, persistent=False)

    def forward(self, photos: Tensor) -> Tensor:
        """Return float32 logits `[N, K]`.

        Args:
            photos: uint8 `[N, side, side, 3]`, RGB, 0-255.
        """
        return cast(Tensor, self.network(self.normalize(photos)))

    def features(self, photos: Tensor) -> Tensor:
        """Return what the head gets: float32 `[N, C]`.

        Args:
            photos: As for `forward`.
        """
        maps = self.normalize(photos)
        for part in self.architecture.backbone:
            maps = self.network.get_submodule(part)(maps)
        return maps.flatten(1)

    @property
    def head(self) -> nn.Module:
        """Return the part that learns first, alone."""
        return self.network.get_submodule(self.architecture.head)

    def normalize(self, photos: Tensor) -> Tensor:
        """Return float32 `[N, 3, side, side]`; in channels_last this copies nothing."""
        maps = photos.permute(0, 3, 1, 2).to(torch.float32, memory_format=self.memory_format)
        return (maps - self.mean) / self.std


def build_network(arch: str, num_classes: int, spec: InputSpec | None = None) -> PhotoNetwork:
    """Build a network with random weights, from torch's global seed.

    Args:
        arch: As `find_architecture` knows it.
        num_classes: Units of the output layer.
        spec: What it takes, where it was trained already; None for what its architecture says.

    Raises:
        ConfigError: There is no such network.
        TrainError: It is one of timm's, which is not installed.
    """
    architecture = find_architecture(arch)
    network = architecture.build(num_classes)
    network.to(memory_format=PhotoNetwork.memory_format)  # type: ignore[call-overload]
    return PhotoNetwork(network, architecture, spec or architecture.input)


@torch.inference_mode()
def predict_both(
    network: PhotoNetwork, cache: PhotoCache, indices: Indices, device: torch.device
) -> tuple[Logits, Features]:
    """Return float32 logits `[N, K]` and what the head gets, float32 `[N, C]`.

    Args:
        network: On `device`; it is put into evaluation mode.
        cache: Photos.
        indices: int64 `[N]`: which of them.
        device: Where to compute.
    """
    network.eval()
    logits, features = [], []
    for chunk in np.array_split(indices, max(1, math.ceil(len(indices) / _EVAL_BATCH))):
        photos = torch.from_numpy(cache.batch(chunk.tolist())).to(device)
        features.append(network.features(photos))
        logits.append(network.head(features[-1]))
    return torch.cat(logits).float().cpu().numpy(), torch.cat(features).float().cpu().numpy()


@torch.inference_mode()
def predict_logits(
    network: PhotoNetwork, photos: Sequence[Pixels] | Pixels, device: torch.device
) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Return float32 logits `[N, K]`; the network is put into evaluation mode.

    Args:
        network: On `device`.
        photos: uint8 `[N, side, side, 3]`, RGB, or a sequence of `[side, side, 3]`.
        device: Where to compute.
    """
    network.eval()
    parts = []
    for start in range(0, len(photos), _EVAL_BATCH):
        batch = np.ascontiguousarray(np.stack(list(photos[start : start + _EVAL_BATCH])))
        parts.append(network(torch.from_numpy(batch).to(device)).float().cpu().numpy())
    return np.concatenate(parts)
