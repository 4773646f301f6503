"""Where in a photo the evidence for a class lies: class activation maps.

The features are the mean of the last map over its positions, so a position's part of a class's
logit is that logit's gradient by the features, times the position's own values. With a head of one
layer these parts sum to the logit without its bias: the class activation map of Zhou et al.,
"Learning Deep Features for Discriminative Localization", CVPR 2016. With a head of more layers it
is Grad-CAM's first order: Selvaraju et al., "Grad-CAM", ICCV 2017, whose mean of the gradient over
positions is exact here, since after a mean all positions have the same gradient.
"""

import numpy as np
import numpy.typing as npt

from edgecat.scores.head import Head

#: What the features are the mean of: float32 `[N, F, h, w]`.
FeatureMap = npt.NDArray[np.float32]

#: Each position's part of a class's logit: float32 `[h, w]`, of either sign.
Heat = npt.NDArray[np.float32]


def class_heat(head: Head, feature_map: FeatureMap, label: int) -> Heat:
    """Return each position's part of a class's logit.

    Args:
        head: What stands behind the features.
        feature_map: float32 `[F, h, w]`, of one photo.
        label: The class, its place in the labels.

    Raises:
        BundleError: The map is of another model.
    """
    num_positions = feature_map.shape[1] * feature_map.shape[2]
    gradient = head.gradient(feature_map.mean(axis=(1, 2)), label)
    parts = np.einsum("c,chw->hw", gradient, feature_map)
    return np.asarray(parts / np.float32(num_positions))


def find_hottest(heat: Heat) -> tuple[float, float]:
    """Return the middle of the hottest position, from the left and from the top, each 0-1."""
    row, column = np.unravel_index(int(heat.argmax()), heat.shape)
    return (float(column) + 0.5) / heat.shape[1], (float(row) + 0.5) / heat.shape[0]
