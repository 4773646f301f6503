"""torchvision's MobileNetV3 with the product's input: uint8 photos in, logits out."""

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from edgecat.photos.input import INPUT
from edgecat.photos.pixels import Pixels
from edgecat.train.vision import import_torchvision

#: Names of the last layer's tensors begin with this; they always start from random numbers.
OUTPUT_LAYER = "classifier.3."

# Photos a step when nothing is learned: larger is no faster on a CPU.
_EVAL_BATCH = 64


class PhotoNetwork(nn.Module):
    """A network that takes what `edgecat.photos.pixels` gives: scaling, mean and std are inside.

    Attributes:
        network: torchvision's MobileNetV3.
        memory_format: How maps lie in memory: channels_last computes faster; export needs
            contiguous ones, or the graph gets a Gather after every average.
    """

    mean: Tensor
    std: Tensor
    memory_format: torch.memory_format = torch.channels_last

    def __init__(self, network: nn.Module) -> None:
        """Put the preprocessing's arithmetic in front of a network."""
        super().__init__()
        self.network = network
        for name, ratios in (("mean", INPUT.mean_ratio), ("std", INPUT.std_ratio)):
            values = 255 * torch.tensor(ratios, dtype=torch.float32).reshape(1, 3, 1, 1)
            self.register_buffer(name, values, persistent=False)

    def forward(self, photos: Tensor) -> Tensor:
        """Return float32 logits `[N, K]`.

        Args:
            photos: uint8 `[N, 224, 224, 3]`, RGB, 0-255.
        """
        return cast(Tensor, self.network(self.normalize(photos)))

    def features(self, photos: Tensor) -> Tensor:
        """Return what the classifier gets: float32 `[N, C]`.

        Args:
            photos: As for `forward`.
        """
        maps = self.network.get_submodule("features")(self.normalize(photos))  # [N, C, 7, 7]
        return cast(Tensor, self.network.get_submodule("avgpool")(maps)).flatten(1)

    def normalize(self, photos: Tensor) -> Tensor:
        """Return float32 `[N, 3, 224, 224]`; in channels_last this copies nothing."""
        maps = photos.permute(0, 3, 1, 2).to(torch.float32, memory_format=self.memory_format)
        return (maps - self.mean) / self.std


def build_network(arch: str, num_classes: int) -> PhotoNetwork:
    """Build a network with random weights, from torch's global seed.

    Args:
        arch: One of `edgecat.bundle.manifest.ARCHS`.
        num_classes: Units of the output layer.
    """
    models = import_torchvision().models
    network = models.get_model(arch, weights=None, num_classes=num_classes)
    return PhotoNetwork(network.to(memory_format=PhotoNetwork.memory_format))


@torch.inference_mode()
def predict_logits(
    network: PhotoNetwork, photos: Sequence[Pixels] | Pixels, device: torch.device
) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Return float32 logits `[N, K]`; the network is put into evaluation mode.

    Args:
        network: On `device`.
        photos: uint8 `[N, 224, 224, 3]`, RGB, or a sequence of `[224, 224, 3]`.
        device: Where to compute.
    """
    network.eval()
    parts = []
    for start in range(0, len(photos), _EVAL_BATCH):
        batch = np.ascontiguousarray(np.stack(list(photos[start : start + _EVAL_BATCH])))
        parts.append(network(torch.from_numpy(batch).to(device)).float().cpu().numpy())
    return np.concatenate(parts)
