"""What edits cost: how far a trained network's answers are from before, at once after them.

An edit is made as exact as it can be, and nothing is learned. Asked are validation photos, whose
probabilities tell in seconds what top-1 would tell of many more photos.
"""

import dataclasses
import math
from collections.abc import Iterable, Iterator

import torch

from edgecat.errors import ConfigError
from edgecat.optimize.photos import JudgedPhotos
from edgecat.photos.input import InputSpec
from edgecat.scores.metrics import Indices, Logits, agreement_ratio, divergence_nats, top1_ratio
from edgecat.train.architecture import find_architecture
from edgecat.train.data import TrainingData
from edgecat.train.edit import join_name
from edgecat.train.network import PhotoNetwork, predict_both
from edgecat.train.parent import edit_network

_DEVICE = torch.device("cpu")


@dataclasses.dataclass(frozen=True)
class Cost:
    """What edits do to a network's answers to validation photos, before it learns on.

    Attributes:
        divergence_nats: As `edgecat.scores.metrics.divergence_nats`, from the answers of before.
        agreement_ratio: Share of photos with the same first answer, 0-1.
        top1_ratio: Share answered rightly, 0-1.
    """

    divergence_nats: float
    agreement_ratio: float
    top1_ratio: float


@dataclasses.dataclass(frozen=True)
class Costs:
    """What edits of a network cost.

    Attributes:
        edits: By edit, each alone.
    """

    edits: dict[str, Cost] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class CostMeter:
    """Measures what edits of a trained network cost.

    Attributes:
        arch: The network's name.
        network: With its trained weights, on the CPU.
        photos: To show, and to ask.
        logits: What the network answers to the validation ones: float32 `[N, K]`.
        targets: int64 `[N]`: their classes.
    """

    arch: str
    network: PhotoNetwork
    photos: JudgedPhotos
    logits: Logits
    targets: Indices

    def measure(
        self, sets: Iterable[tuple[str, ...]]
    ) -> Iterator[tuple[tuple[str, ...], Cost | ConfigError]]:
        """Yield what edits that are made together cost; photos are decoded once a size.

        Args:
            sets: Of edits, as `edgecat.train.edit.apply_edit` knows them.

        Yields:
            The edits, and what they cost, or why they could not be made.
        """
        by_input: dict[InputSpec, list[tuple[str, ...]]] = {}
        for edits in sets:
            try:
                spec = find_architecture(join_name(self.arch, edits)).input
            except ConfigError as error:
                yield edits, error
            else:
                by_input.setdefault(spec, []).append(edits)
        for spec, group in by_input.items():
            with self.photos.open(spec) as data:
                for edits in group:
                    try:
                        yield edits, self._measure(edits, data)
                    except ConfigError as error:
                        yield edits, error

    def compare(self, network: PhotoNetwork) -> Cost:
        """Return how far another network's answers are from those of the one that was asked.

        Args:
            network: Such as one that was edited and has learned on; on the CPU.

        Raises:
            ConfigError: Its answers are no numbers.
            DatasetError: A photo is gone, broken, or not what it was in the run.
            StorageError: The disk is full.
        """
        with self.photos.open(network.input) as data:
            return self._compare(network, data)

    def _measure(self, edits: tuple[str, ...], data: TrainingData) -> Cost:
        """Measure what edits cost.

        Raises:
            ConfigError: One does not fit, or the network's answers are no numbers any more.
        """
        network = edit_network(self.network, edits, data)
        try:
            return self._compare(network, data)
        except ConfigError as error:
            raise ConfigError(f"edit {' '.join(edits)}: {error}") from error

    def _compare(self, network: PhotoNetwork, data: TrainingData) -> Cost:
        logits = _answer(network, data)
        divergence = divergence_nats(self.logits, logits)
        if not math.isfinite(divergence):
            raise ConfigError("what the network answers is not finite")
        return Cost(
            divergence, agreement_ratio(self.logits, logits), top1_ratio(logits, self.targets)
        )


def open_meter(arch: str, network: PhotoNetwork, photos: JudgedPhotos) -> CostMeter:
    """Ask a network as it is.

    Args:
        arch: Its name.
        network: With its trained weights, on the CPU.
        photos: As for `CostMeter`.

    Raises:
        DatasetError: A photo is gone, broken, or not what it was in the run.
        StorageError: The disk is full.
    """
    with photos.open(network.input) as data:
        targets = data.targets[data.indices("val")]
        return CostMeter(arch, network, photos, _answer(network, data), targets)


def _answer(network: PhotoNetwork, data: TrainingData) -> Logits:
    logits, _ = predict_both(network, data.cache, data.indices("val"), _DEVICE)
    return logits
