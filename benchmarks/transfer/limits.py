"""Two limits of transfer learning, measured on finished runs: inherited bias, input size."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch.nn import functional

from benchmarks.transfer.training import CPU, load_network, load_photos
from edgecat.photos.pixels import Pixels
from edgecat.scores.metrics import Indices, confusion_matrix
from edgecat.train.network import PhotoNetwork, build_network, predict_logits
from edgecat.train.run import load_run
from edgecat.train.weights import load_weights

SIDES_PX = (64, 96, 128, 160, 192, 224)

_BATCH = 64


def compare_confusions(runs: dict[str, Path], photos: Path, weights: str) -> dict[str, Any]:
    """Return what is taken for what: before fine-tuning, and by each of the runs after it.

    Before: the pretrained backbone as it came; a photo is answered by the class whose training
    photos' mean features are nearest by angle.

    Args:
        runs: By name; all of the same photos.
        photos: Theirs.
        weights: The pretrained ones.
    """
    run = next(iter(runs.values()))
    record = load_run(run)
    train, train_targets = load_photos(run, photos, "train")
    test, targets = load_photos(run, photos, "test")
    num = len(record.labels)
    backbone = build_network(record.arch, num)
    load_weights(backbone, record.arch, weights)
    features, known = _read_features(backbone, test), _read_features(backbone, train)
    means = np.stack([known[train_targets == label].mean(axis=0) for label in range(num)])
    answers = {"before": (features @ means.T / np.linalg.norm(means, axis=1)).argmax(axis=1)}
    for name, one in runs.items():
        answers[name] = predict_logits(load_network(one), test, CPU).argmax(axis=1)
    confusions = {
        name: confusion_matrix(given, targets, num).tolist() for name, given in answers.items()
    }
    return {"labels": record.labels, "confusions": confusions}


@torch.inference_mode()
def _read_features(network: PhotoNetwork, photos: Pixels) -> npt.NDArray[np.float32]:
    """Return what the head would get, each of length 1: float32 `[N, C]`."""
    network.eval()
    starts = range(0, len(photos), _BATCH)
    parts = [network.features(torch.from_numpy(photos[at : at + _BATCH])) for at in starts]
    features: npt.NDArray[np.float32] = functional.normalize(torch.cat(parts)).numpy()
    return features


def measure_sizes(run: Path, photos: Path) -> list[dict[str, float]]:
    """Return a run's test top-1 for photos of fewer pixels: as they are, and enlarged before."""
    network = load_network(run)
    test, targets = load_photos(run, photos, "test")
    rows = []
    for side_px in SIDES_PX:
        small = _resize(test, side_px)
        rows.append(
            {
                "side_px": side_px,
                "as_it_is_top1_ratio": _top1_ratio(network, small, targets),
                "enlarged_top1_ratio": _top1_ratio(network, _resize(small, test.shape[1]), targets),
            }
        )
    return rows


def _top1_ratio(network: PhotoNetwork, photos: Pixels, targets: Indices) -> float:
    return float((predict_logits(network, photos, CPU).argmax(axis=1) == targets).mean())


def _resize(photos: Pixels, side_px: int) -> Pixels:
    """Return photos in another size: uint8 `[N, side, side, 3]`."""
    bilinear = Image.Resampling.BILINEAR
    return np.stack(
        [np.asarray(Image.fromarray(one).resize((side_px, side_px), bilinear)) for one in photos]
    )
