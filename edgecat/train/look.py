"""Training photos shown to a network that is edited, see `edgecat.train.edit.Look`."""

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from edgecat.photos.spread import spread
from edgecat.train.architecture import Architecture
from edgecat.train.data import TrainingData
from edgecat.train.edit import MAX_SHOWN
from edgecat.train.network import PhotoNetwork

_BATCH = 32


@dataclasses.dataclass(frozen=True)
class TrainingPhotos:
    """Shows a run's training photos; all, or as many as are enough.

    Attributes:
        data: The run's photos, at the size that the edited network takes.
        architecture: What is known of the networks that see them.
    """

    data: TrainingData
    architecture: Architecture

    def __call__(
        self, network: nn.Module, layers: Sequence[nn.Module], max_photos: int = MAX_SHOWN
    ) -> Iterator[list[tuple[Tensor, Tensor]]]:
        """Yield what each layer read and made, as `edgecat.train.edit.Look` says."""
        whole = PhotoNetwork(network, self.architecture, self.data.cache.spec).eval()
        train = self.data.indices("train")
        chosen = train[spread(len(train), max_photos)]
        for start in range(0, len(chosen), _BATCH):
            photos = self.data.cache.batch(chosen[start : start + _BATCH].tolist())
            with torch.no_grad(), record_layers(layers) as seen:
                whole(torch.from_numpy(photos))
            yield [seen[layer] for layer in layers]


@contextlib.contextmanager
def record_layers(layers: Sequence[nn.Module]) -> Iterator[dict[nn.Module, tuple[Tensor, Tensor]]]:
    """Keep what layers read and make until the block ends, each the latest.

    Copies, since activations write over what they read.

    Args:
        layers: Of a network that is used meanwhile.
    """
    seen: dict[nn.Module, tuple[Tensor, Tensor]] = {}

    def keep_input(layer: nn.Module, read: tuple[Tensor]) -> None:
        seen[layer] = (read[0].clone(), torch.empty(0))

    def keep_output(layer: nn.Module, _: tuple[Tensor], made: Tensor) -> None:
        seen[layer] = (seen[layer][0], made.clone())

    handles = [layer.register_forward_pre_hook(keep_input) for layer in layers]
    handles += [layer.register_forward_hook(keep_output) for layer in layers]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()
