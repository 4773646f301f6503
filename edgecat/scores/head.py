"""What stands behind a network's features: a small head of one or more layers, in numpy.

It is small enough for numpy on a device (a million multiplications), and so tells what a runtime
does not: the gradient of a class's logit, and what the output layer reads.
"""

import dataclasses
from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt

from edgecat.errors import BundleError
from edgecat.scores.metrics import Logits
from edgecat.scores.ood import Features

Array = npt.NDArray[np.float32]

#: What a layer may do with its results, as ONNX calls it.
ActivationName = Literal["", "Relu", "HardSwish"]


@dataclasses.dataclass(frozen=True)
class _Activation:
    apply: Callable[[Array], Array]
    slope: Callable[[Array], Array]


# Hard swish is x * clip(x / 6 + 1 / 2, 0, 1). Source: Howard et al., "Searching for MobileNetV3",
# ICCV 2019, section 5.2.
_ACTIVATIONS: dict[str, _Activation] = {
    "": _Activation(lambda x: x, np.ones_like),
    "Relu": _Activation(lambda x: np.maximum(x, 0), lambda x: (x > 0).astype(np.float32)),
    "HardSwish": _Activation(
        lambda x: x * np.clip(x / 6 + np.float32(0.5), 0, 1),
        lambda x: np.where(np.abs(x) < 3, x / 3 + np.float32(0.5), x >= 3).astype(np.float32),
    ),
}


@dataclasses.dataclass(frozen=True)
class Layer:
    """A layer of weights and what follows it.

    Attributes:
        weights: float32 `[units, inputs]`.
        biases: float32 `[units]`.
        activation: Applied to its results.
    """

    weights: Array
    biases: Array
    activation: ActivationName = ""

    def sums(self, inputs: Array) -> Array:
        """Return float32 `[N, units]`, before the activation, for float32 `[N, inputs]`."""
        return np.asarray(inputs @ self.weights.T + self.biases)

    def run(self, inputs: Array) -> Array:
        """Return float32 `[N, units]` for float32 `[N, inputs]`."""
        return _ACTIVATIONS[self.activation].apply(self.sums(inputs))

    def slopes(self, inputs: Array) -> Array:
        """Return how much each result grows with its sum: float32 `[N, units]`."""
        return _ACTIVATIONS[self.activation].slope(self.sums(inputs))


def _check_reads(layer: Layer, features: Array, what: str, mend: str) -> None:
    """Refuse features that a layer was not made for.

    Args:
        layer: Reads them.
        features: float32 `[N, F]`.
        what: Reads them, for messages.
        mend: How to make it fit.

    Raises:
        BundleError: They are of another model.
    """
    wanted, num_features = layer.weights.shape[1], features.shape[1]
    if num_features != wanted:
        raise BundleError(f"{what} {wanted} features, the model has {num_features}; {mend}")


def add_enrolled(enrolled: Layer | None, logits: Logits, features: Features) -> Logits:
    """Return logits with those of enrolled classes behind them, float32 `[N, K]`.

    Args:
        enrolled: Their units; None without any.
        logits: float32 `[N, K - units]`, of the classes that the network was trained on.
        features: float32 `[N, F]` of the same photos.

    Raises:
        BundleError: The units are of another model.
    """
    if enrolled is None:
        return logits
    _check_reads(enrolled, features, "enrolled classes read", "enroll them again")
    return np.concatenate([logits, enrolled.run(features)], axis=1)


@dataclasses.dataclass(frozen=True)
class Head:
    """All layers from the features to the logits.

    Attributes:
        layers: The output layer last, without activation.
        enrolled: Units of classes that were enrolled later (`edgecat.scores.new_class`), which read
            the features themselves and stand behind those of the output layer; None without any.
    """

    layers: tuple[Layer, ...]
    enrolled: Layer | None = None

    @property
    def output(self) -> Layer:
        """Return the output layer."""
        return self.layers[-1]

    def logits(self, features: Features) -> Logits:
        """Return float32 `[N, K]` for float32 `[N, F]`.

        Raises:
            BundleError: The features are of another model.
        """
        self._check_reads(features)
        logits = features
        for layer in self.layers:
            logits = layer.run(logits)
        return add_enrolled(self.enrolled, logits, features)

    def gradient(self, features: Features, label: int) -> Array:
        """Return how much one logit grows with each feature: float32 `[F]`.

        Args:
            features: float32 `[F]`, of one photo.
            label: Which logit, its place in the labels.

        Raises:
            BundleError: The features are of another model.
        """
        self._check_reads(features[None])
        num_trained = len(self.output.biases)
        if self.enrolled is not None and label >= num_trained:
            gradient: Array = self.enrolled.weights[label - num_trained]
            return gradient
        reached = [features[None]]
        for layer in self.layers[:-1]:
            reached.append(layer.run(reached[-1]))
        gradient = self.output.weights[label]
        for layer, inputs in zip(self.layers[-2::-1], reached[-2::-1], strict=True):
            gradient = (gradient * layer.slopes(inputs)[0]) @ layer.weights
        return gradient

    def _check_reads(self, features: Features) -> None:
        _check_reads(self.layers[0], features, "the head reads", "export the run again")
