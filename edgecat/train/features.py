"""Features of pretrained weights, as fine-tuning finds them: they have seen no label of yours."""

import numpy as np
import torch

from edgecat.audit.features import FeatureModel, OodScores
from edgecat.photos.pixels import Pixels
from edgecat.scores.ood import Features
from edgecat.train.architecture import default_arch
from edgecat.train.network import build_network
from edgecat.train.weights import load_weights


def features_of_weights(source: str) -> FeatureModel:
    """Return the features that the default network's head gets from pretrained weights.

    Args:
        source: As for `edgecat.train.weights.load_weights`: "imagenet" or a file.

    Raises:
        WeightsError: Out of reach, no weights, or those of another network.
    """
    arch = default_arch()
    network = build_network(arch, num_classes=2)  # of any number: its output layer is not asked
    load_weights(network, arch, source)
    network.eval()

    @torch.inference_mode()
    def run(photos: Pixels) -> tuple[Features, OodScores | None]:
        features = network.features(torch.from_numpy(np.ascontiguousarray(photos)))
        return features.float().numpy(), None

    return FeatureModel(f"{arch}, weights {source}", network.input, run)
