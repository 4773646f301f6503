"""Give the channels of a tensor similar ranges without changing what the network computes.

An int8 tensor has one scale for all its channels: where one channel is far larger than another,
the small one, which the next layer multiplies up again, would be rounded to nothing. ReLU,
addition, average pooling and a squeeze-excite gate commute with a positive factor per channel, so
such a factor can be divided out of the layer that makes the tensor and multiplied into the layers
that read it. That is exact, and costs nothing at run time.
Source: Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction",
ICCV 2019.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from edgecat.errors import QuantizeError
from edgecat.photos.pixels import Pixels
from edgecat.quantize.ranges import check_images, measure_peaks

#: Largest spread of the factors inside a tensor; a dead channel (peak 0) would ask for an infinite
#: one. Source: the widest seen in MobileNetV3-Small is about 1,000 (behind its stem: 0.19 to 186).
MAX_SPREAD = 1e4

#: Convolutions of stride 2 in a MobileNetV3, small or large.
MAX_FLOAT_STAGES = 5

Floats = npt.NDArray[np.float32]


def rescale_channels(model: onnx.ModelProto, images: Pixels) -> onnx.ModelProto:
    """Return an equal model whose tensors have channels of similar ranges.

    Args:
        model: A float model; BatchNorm folded, every node named, convolutions with constant weights
            that no other node reads.
        images: uint8 `[N, H, W, 3]`, RGB: calibration photos.

    Returns:
        A new model.

    Raises:
        QuantizeError: `images` are not what the model takes.
    """
    check_images(model, images)
    model = onnx.ModelProto.FromString(model.SerializeToString())
    graph = model.graph
    weights = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    factors = _choose_factors(model, weights, images)
    for node in graph.node:
        if node.op_type != "Conv":
            continue
        weight = weights[node.input[1]].copy()
        if (factor := factors.get(node.input[0])) is not None:
            axes = (-1, 1, 1, 1) if is_depthwise(node) else (1, -1, 1, 1)
            weight *= factor.reshape(axes)
        if (factor := factors.get(node.output[0])) is not None:
            weight /= factor.reshape(-1, 1, 1, 1)
            weights[node.input[2]] = weights[node.input[2]] / factor
        weights[node.input[1]] = weight
    for item in graph.initializer:
        item.CopyFrom(numpy_helper.from_array(weights[item.name], item.name))
    return model


def float_nodes(graph: onnx.GraphProto, num_stages: int) -> list[onnx.NodeProto]:
    """Return the nodes that stay float: up to a stage of the picture, its activation included.

    In the first layers the channels' ranges differ most: 1 to 1,000 behind the stem of
    MobileNetV3-Small.

    Args:
        graph: Nodes in the order of computation.
        num_stages: How many convolutions of stride 2 stay float, 0 to `MAX_FLOAT_STAGES`.

    Raises:
        QuantizeError: The graph has not so many.
    """
    nodes = list(graph.node)
    stages = [index for index, node in enumerate(nodes) if _strides(node) == [2, 2]]
    if not 0 <= num_stages <= len(stages):
        raise QuantizeError(
            f"num_float_stages={num_stages}: the model has {len(stages)} convolutions of "
            f"stride 2; accepted is at most {len(stages)}"
        )
    if not num_stages:
        return []
    last = stages[num_stages - 1]
    activation = next(node for node in nodes if nodes[last].output[0] in node.input)
    return nodes[: nodes.index(activation) + 1]


def is_depthwise(node: onnx.NodeProto) -> bool:
    """Tell whether a convolution has one input channel per group."""
    return any(item.name == "group" and item.i > 1 for item in node.attribute)


def _choose_factors(
    model: onnx.ModelProto, weights: dict[str, Floats], images: Pixels
) -> dict[str, Floats]:
    """Return what each channel of a tensor is divided by: float32 `[C]`, at most 1."""
    graph = model.graph
    gates = {node.output[0] for node in graph.node if node.op_type == "HardSigmoid"}
    tied = {node.name: _tied_tensors(node, gates | weights.keys()) for node in graph.node}
    groups = [group for group in _groups(graph, tied) if _may_scale(group, graph, tied)]
    if not groups:
        return {}
    peaks = measure_peaks(model, sorted(set().union(*groups)), images)
    factors: dict[str, Floats] = {}
    for group in groups:
        peak = np.max([peaks[name] for name in group], axis=0)
        readers = [
            np.abs(weights[node.input[1]]).max(axis=(0, 2, 3))
            for node in graph.node
            if node.op_type == "Conv" and node.input[0] in group and not is_depthwise(node)
        ]
        # A dense reader has one weight step for all its input channels, so the spread is shared
        # between tensor and weights (square root); a depthwise one has a step for each channel and
        # takes all of it.
        wanted = peak
        if readers:
            reach = np.maximum(np.max(readers, axis=0), 1e-12)
            wanted = np.sqrt(np.maximum(peak, 1e-12) / reach)
        # Dead channels follow the largest.
        wanted = np.where(peak > peak.max() / MAX_SPREAD, wanted, wanted.max())
        if wanted.max() == 0:  # every channel is dead
            continue
        factor = np.maximum(wanted / wanted.max(), 1 / MAX_SPREAD).astype(np.float32)
        factors.update(dict.fromkeys(group, factor))
    return factors


def _tied_tensors(node: onnx.NodeProto, fixed: set[str]) -> set[str]:
    """Return what an op reads and makes, if a positive factor per channel goes through it.

    Args:
        node: Any; of one that lets no factor through, nothing is returned.
        fixed: Gates and constants, which have no factor: what is added to one cannot have one.
    """
    inputs = [name for name in node.input if name not in fixed]
    passes = (
        len(inputs) == 1
        if node.op_type == "Mul"
        else node.op_type in ("Relu", "Add", "GlobalAveragePool") and len(inputs) == len(node.input)
    )
    return {*inputs, *node.output} if passes else set()


def _groups(graph: onnx.GraphProto, tied: Mapping[str, set[str]]) -> list[set[str]]:
    """Return the sets of tensors that must share a factor, by what each op ties together."""
    groups = {output: {output} for node in graph.node for output in node.output}
    for tensors in tied.values():
        merged = set().union(*(groups[name] for name in tensors))
        groups.update(dict.fromkeys(merged, merged))
    return list({id(group): group for group in groups.values()}.values())


def _may_scale(group: set[str], graph: onnx.GraphProto, tied: Mapping[str, set[str]]) -> bool:
    """Tell whether every maker and reader of a group's tensors can absorb a factor."""
    around = [node for node in graph.node if group.intersection((*node.input, *node.output))]
    is_output = any(item.name in group for item in graph.output)
    return not is_output and all(node.op_type == "Conv" or tied[node.name] for node in around)


def _strides(node: onnx.NodeProto) -> list[int]:
    """Return a convolution's strides, [] for any other op."""
    return next(
        (
            list(item.ints)
            for item in node.attribute
            if node.op_type == "Conv" and item.name == "strides"
        ),
        [],
    )
