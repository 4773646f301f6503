"""Does a photo show one of the known classes at all? The out-of-distribution detector, ViM.

A classifier answers one of its classes to any photo, and is often sure of it. What gives a stranger
away are its features, the numbers that the classifier reads: those of known classes vary along few
directions, a stranger's have a large part across all of these. That part is weighed against how
large the logits are.
Source: Wang, Li, Feng, Zhang, "ViM: Out-Of-Distribution with Virtual-logit Matching", CVPR 2022;
how it compares with scores of logits alone stands in benchmarks/results/*/not_cats.json.
"""

import dataclasses
import io

import numpy as np
import numpy.typing as npt

from edgecat.errors import BundleError
from edgecat.scores.arrays import read_array
from edgecat.scores.bounds import RESIDUAL_WEIGHTS
from edgecat.scores.metrics import Logits

Features = npt.NDArray[np.float32]

#: A model's second output, what its classifier reads: float32 `[N, F]`.
FEATURES_NAME = "features"

#: The bundle's file with what the detector knows of the features.
OOD_FILE = "ood.npy"

#: Share of photos of known classes that a threshold keeps: the others are called unknown.
KEPT_RATIO = 0.95


@dataclasses.dataclass(frozen=True)
class OodDetector:
    """Where the features of known classes lie (ViM, virtual-logit matching).

    Attributes:
        centre: float16 `[F]`, their mean.
        directions: float16 `[D, F]`, the directions along which they vary most, of length 1.
        residual_weight: What the part of a feature vector across all directions weighs against
            the logits, above 0.
    """

    centre: npt.NDArray[np.float16]
    directions: npt.NDArray[np.float16]
    residual_weight: float

    def ood_score(self, logits: Logits, features: Features) -> npt.NDArray[np.float64]:
        """Return how far photos are from those of the known classes: float64 `[N]`, any sign.

        Args:
            logits: float32 `[N, K]`.
            features: float32 `[N, F]` of the same photos.

        Raises:
            BundleError: The features are those of another model.
        """
        if features.shape[1] != len(self.centre):
            raise BundleError(
                f"{OOD_FILE}: made for {len(self.centre)} features, the model has "
                f"{features.shape[1]}; export the bundle again"
            )
        return self.residual_weight * self._residual(features) - log_sum_exp(logits)

    def to_bytes(self) -> bytes:
        """Return the arrays as a file of numpy's format: centre, then directions."""
        file = io.BytesIO()
        np.save(file, np.vstack([self.centre, self.directions]), allow_pickle=False)
        return file.getvalue()

    @staticmethod
    def from_bytes(data: bytes, residual_weight: float, where: str) -> "OodDetector":
        """Read what `to_bytes` wrote.

        Args:
            data: The file's content.
            residual_weight: From the manifest.
            where: The file's name, for messages.

        Raises:
            BundleError: It is something else, or has numbers that are not finite.
        """
        rows = read_array(data, where)
        if rows.dtype != np.float16 or rows.ndim != 2 or len(rows) < 2:
            raise BundleError(
                f"{where}: {rows.dtype}{list(rows.shape)}, expected float16 of two axes and at "
                "least two rows; export it again"
            )
        if not np.isfinite(rows).all():
            raise BundleError(f"{where}: has numbers that are not finite; export it again")
        return OodDetector(rows[0], rows[1:], residual_weight)

    def _residual(self, features: Features) -> npt.NDArray[np.float64]:
        centred = features.astype(np.float64) - self.centre
        along = centred @ self.directions.T.astype(np.float64)
        squares = np.square(centred).sum(axis=1) - np.square(along).sum(axis=1)
        return np.asarray(np.sqrt(np.maximum(squares, 0)))


def fit_detector(logits: Logits, features: Features) -> OodDetector:
    """Fit a detector to the features of known classes.

    As many directions are kept as there are classes, since the means of K classes differ along
    K - 1; at most half of all. The weight makes the residual of these photos as large as their
    logits, as in the paper.

    Args:
        logits: float32 `[N, K]`.
        features: float32 `[N, F]` of the same training photos.
    """
    centre = features.mean(axis=0)
    num_directions = min(logits.shape[1], features.shape[1] // 2)
    _, _, directions = np.linalg.svd(features - centre, full_matrices=False)
    detector = OodDetector(
        centre.astype(np.float16), directions[:num_directions].astype(np.float16), 1.0
    )
    residual = float(detector._residual(features).mean())
    weight = float(logits.max(axis=1).mean()) / max(residual, 1e-12)
    low, high = RESIDUAL_WEIGHTS
    return dataclasses.replace(detector, residual_weight=min(max(weight, low), high))


def choose_threshold(ood_score: npt.NDArray[np.float64]) -> float:
    """Return the score that `KEPT_RATIO` of photos of known classes do not exceed.

    Args:
        ood_score: float64 `[N]`, of photos of known classes that the model was not trained on.
    """
    return float(np.quantile(ood_score, KEPT_RATIO, method="higher"))


def log_sum_exp(logits: Logits) -> npt.NDArray[np.float64]:
    """Return the logarithm of the sum of exponentials, "energy": float64 `[N]`.

    Source: Liu, Wang, Owens, Li, "Energy-based Out-of-distribution Detection", NeurIPS 2020.

    Args:
        logits: float32 `[N, K]`.
    """
    largest = logits.max(axis=1).astype(np.float64)
    return np.asarray(largest + np.log(np.exp(logits - largest[:, None]).sum(axis=1)))
