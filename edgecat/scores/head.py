"""What stands behind a network's features: a small head of one or more layers, in numpy.

It is small enough for numpy on a device (a million multiplications), and so tells what a runtime
does not: the gradient of a class's logit, and what the output layer reads.
"""

import dataclasses
from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt

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


@dataclasses.dataclass(frozen=True)
class Head:
    """All layers from the features to the logits.

    Attributes:
        layers: The output layer last, without activation.
    """

    layers: tuple[Layer, ...]

    @property
    def output(self) -> Layer:
        """Return the output layer."""
        return self.layers[-1]

    def hidden(self, features: Features) -> Array:
        """Return what the output layer reads, float32 `[N, H]`.

        Args:
            features: float32 `[N, F]`.
        """
        for layer in self.layers[:-1]:
            features = layer.run(features)
        return features

    def logits(self, features: Features) -> Logits:
        """Return float32 `[N, K]` for float32 `[N, F]`."""
        return self.output.run(self.hidden(features))

    def gradient(self, features: Features, label: int) -> Array:
        """Return how much one logit grows with each feature: float32 `[F]`.

        Args:
            features: float32 `[F]`, of one photo.
            label: Which logit, its place in the labels.
        """
        reached = [features[None]]
        for layer in self.layers[:-1]:
            reached.append(layer.run(reached[-1]))
        gradient: Array = self.output.weights[label]
        for layer, inputs in zip(self.layers[-2::-1], reached[-2::-1], strict=True):
            gradient = (gradient * layer.slopes(inputs)[0]) @ layer.weights
        return gradient
