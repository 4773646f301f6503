"""What ncnn answers in fp16, computed where the processor has no fp16 arithmetic.

A network is proven on the machine that exports it. That is mostly an x86 one, and there ncnn
computes nothing in fp16. So its kernels for Arm are imitated: weights, biases and blobs are rounded
to fp16, and so is every sum, product by product. On an emulated Cortex-A76 the logits are within
the precision's tolerance of these, and nearer to them than to those of fp32
(benchmarks/results/*/ncnn_pis.json).
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from edgecat.bundle.manifest import Variant
from edgecat.bundle.ncnn_file import FEATURES, LOGITS, Layer, read_param
from edgecat.photos.pixels import Pixels
from edgecat.scores.metrics import Logits
from edgecat.scores.ood import Features

# Weights of any shape and biases `[C]`, rounded; either may be empty.
Constants = tuple[Tensor, Tensor]


class HalfEngine:
    """A model in imitated fp16: about 0.1 s a photo, so each photo is computed only once.

    Attributes:
        name: The variant's.
    """

    def __init__(self, variant: Variant, files: Sequence[bytes]) -> None:
        """Load a model.

        Args:
            variant: Of the engine "ncnn".
            files: Its layers as text, then their numbers, as `export_ncnn` writes them.
        """
        self.name = variant.name
        self._layers = read_param(files[0])
        self._constants = list(_read_constants(self._layers, files[1]))
        self._known: dict[bytes, tuple[Logits, Features]] = {}

    def run(self, batch: Pixels) -> Logits:
        """Return float32 logits `[N, K]` for uint8 `[N, H, W, 3]`, RGB."""
        return self.run_with_features(batch)[0]

    def run_with_features(self, batch: Pixels) -> tuple[Logits, Features]:
        """Return float32 logits `[N, K]` and features `[N, F]` for uint8 `[N, H, W, 3]`."""
        logits, features = zip(*map(self._recall, batch), strict=True)
        return np.stack(logits), np.stack(features)

    def describe(self) -> dict[str, Any]:
        """Return what computes in ncnn's place."""
        precision = "fp16, imitated"
        return {"version": torch.__version__, "threads": 1, "effective_precision": precision}

    def close(self) -> None:
        """Keep everything: several stages of an export ask for the same photos."""

    def _recall(self, photo: Pixels) -> tuple[Logits, Features]:
        key = hashlib.sha256(photo.tobytes()).digest()
        if key not in self._known:
            self._known[key] = self._compute(photo)
        return self._known[key]

    @torch.inference_mode()
    def _compute(self, photo: Pixels) -> tuple[Logits, Features]:
        image = torch.from_numpy(photo.transpose(2, 0, 1).astype(np.float32))
        blobs = dict.fromkeys(self._layers[0].outputs, image)
        for layer, constants in zip(self._layers[1:], self._constants[1:], strict=True):
            inputs = [blobs.pop(name) for name in layer.inputs]
            found = _KINDS[layer.kind](layer, inputs, constants)
            blobs |= dict.fromkeys(layer.outputs, _ACTIVATIONS[layer.activation](found))
        return blobs[LOGITS].numpy(), blobs[FEATURES].numpy()


def _round(values: Tensor) -> Tensor:
    """Return float32 values as fp16 would hold them; beyond 65,504 that is infinity."""
    return values.half().float()


def _read_constants(layers: Sequence[Layer], numbers: bytes) -> Iterator[Constants]:
    start = 0
    for layer in layers:
        start += 4 * bool(layer.num_weights)  # the tag
        both = []
        for count in (layer.num_weights, layer.num_biases):
            values = np.frombuffer(numbers, "<f4", count, start).astype(np.float32)
            both.append(_round(torch.from_numpy(values)))
            start += 4 * count
        yield both[0], both[1]


def _sum_products(weights: Tensor, values: Tensor, biases: Tensor) -> Tensor:
    """Return a matrix product whose sums are rounded to fp16 after each of their terms.

    Args:
        weights: `[K, C]`.
        values: `[C, P]`; or `[K, C, P]`, others for each row of weights.
        biases: `[K]`, where the sums start.
    """
    sums = biases[:, None].repeat(1, values.shape[-1])
    halves = torch.empty_like(sums, dtype=torch.float16)
    for term in range(weights.shape[1]):
        torch.addcmul(sums, weights[:, term, None], values[..., term, :], out=sums)
        sums.copy_(halves.copy_(sums))
    return sums


def _convolve(layer: Layer, inputs: Sequence[Tensor], constants: Constants) -> Tensor:
    kernel, stride, padding = (layer.numbers[name] for name in ("kernel", "stride", "padding"))
    values, (weights, biases) = inputs[0], constants
    side = (values.shape[-1] + 2 * padding - kernel) // stride + 1
    if kernel > 1:
        values = functional.unfold(values[None], kernel, padding=padding, stride=stride)[0]
    else:
        values = values[:, ::stride, ::stride]
    weights = weights.reshape(len(biases), -1)
    if layer.kind == "ConvolutionDepthWise":
        values = values.reshape(len(biases), -1, side**2)
    else:
        values = values.reshape(-1, side**2)
    return _sum_products(weights, values, biases).reshape(-1, side, side)


def _multiply(layer: Layer, inputs: Sequence[Tensor], constants: Constants) -> Tensor:
    weights, biases = constants
    return _sum_products(weights.reshape(len(biases), -1), inputs[0][:, None], biases)[:, 0]


def _add_biases(layer: Layer, inputs: Sequence[Tensor], constants: Constants) -> Tensor:
    return _round(inputs[0] + constants[1][:, None, None])


def _join(layer: Layer, inputs: Sequence[Tensor], constants: Constants) -> Tensor:
    first, second = inputs
    second = second.reshape(*second.shape, *[1] * (first.ndim - second.ndim))
    return _round(first * second if layer.numbers["operation"] else first + second)


def _hard_sigmoid(values: Tensor) -> Tensor:
    return _round(_round(values / 6 + 0.5).clamp(0, 1))


_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "": lambda values: values,
    "ReLU": torch.relu,
    "HardSwish": lambda values: _round(values * _hard_sigmoid(values)),
}

_KINDS: dict[str, Callable[[Layer, Sequence[Tensor], Constants], Tensor]] = {
    "Bias": _add_biases,
    "Convolution": _convolve,
    "ConvolutionDepthWise": _convolve,
    "InnerProduct": _multiply,
    "Pooling": lambda layer, inputs, constants: _round(inputs[0].mean((1, 2))),
    "BinaryOp": _join,
    "HardSigmoid": lambda layer, inputs, constants: _hard_sigmoid(inputs[0]),
    "HardSwish": lambda layer, inputs, constants: _ACTIVATIONS["HardSwish"](inputs[0]),
    "ReLU": lambda layer, inputs, constants: torch.relu(inputs[0]),
    "Split": lambda layer, inputs, constants: inputs[0],
}
