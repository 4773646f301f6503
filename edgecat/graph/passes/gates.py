"""Gates that let the same through for every photo -> the weights of the convolution behind them.

Squeeze-and-excitation scales each channel by a number of 0 to 1 that it works out of the photo.
Pretrained MobileNetV3 has gates whose squeeze units never wake: behind a ReLU no mean is below 0,
no weight of theirs is above nothing, and no bias above 0. Then the numbers are known, and a sweep
over the largest tensors of the network is saved: block 1 of the small one, some hundredths of its
time when this was written.
"""

import dataclasses

import numpy as np
import numpy.typing as npt
import onnx

from edgecat.graph.graph import Graph, attribute, is_pointwise
from edgecat.graph.graph_pass import GraphPass

# A gate that moves by less than this for a channel whose mean is 1 does not move, and photos push
# it the other way. That of block 1 would move by 4e-7 in each of five fine-tuned networks.
_STILL = 1e-6


@dataclasses.dataclass(frozen=True)
class _Gate:
    """Squeeze-and-excitation, found in a graph.

    Attributes:
        squeeze: The convolution that reads the channels' means, none of which is below 0.
        excite: The one that reads it through a ReLU.
        sigmoid: HardSigmoid of that.
        scale: Multiplies channels by it.
        reader: The 1x1 convolution that alone reads them.
    """

    squeeze: onnx.NodeProto
    excite: onnx.NodeProto
    sigmoid: onnx.NodeProto
    scale: onnx.NodeProto
    reader: onnx.NodeProto


def apply(graph: Graph) -> int:
    """Fold each constant gate into the convolution behind it; return how many there were."""
    gates = filter(None, [_find_gate(graph, node) for node in graph.nodes("HardSigmoid")])
    still = [gate for gate in gates if _measure_reach(graph, gate) < _STILL]
    for gate in still:
        weights = graph.weight(gate.reader.input[1])  # [K, C, 1, 1]
        constants = _rest(graph, gate)[:, None, None]
        graph.set_weight(gate.reader.input[1], (weights * constants).astype(np.float32))
        gate.scale.input[:] = [name for name in gate.scale.input if name != gate.sigmoid.output[0]]
        graph.bypass(gate.scale)
    graph.drop_unused()
    return len(still)


def _find_gate(graph: Graph, sigmoid: onnx.NodeProto) -> _Gate | None:
    """Return the gate that ends in a HardSigmoid, if it has the usual form behind a ReLU."""
    excite = graph.producer(sigmoid.input[0])
    wake = excite and graph.producer(excite.input[0])
    squeeze = wake and graph.producer(wake.input[0])
    pool = squeeze and graph.producer(squeeze.input[0])
    channels = pool and graph.producer(pool.input[0])
    scale = graph.only_consumer(sigmoid.output[0])
    reader = scale and graph.only_consumer(scale.output[0])
    if excite is None or squeeze is None or pool is None or scale is None or reader is None:
        return None
    kinds = [node and node.op_type for node in (channels, pool, wake, scale)]
    has_form = (
        kinds == ["Relu", "GlobalAveragePool", "Relu", "Mul"]
        and sorted(scale.input) == sorted([pool.input[0], sigmoid.output[0]])
        and all(is_pointwise(graph, node) for node in (squeeze, excite, reader))
        and graph.only_consumer(reader.input[1]) is not None
    )
    return _Gate(squeeze, excite, sigmoid, scale, reader) if has_form else None


def _measure_reach(graph: Graph, gate: _Gate) -> float:
    """Return by how much a mean of 1 can move the gate at most, before it ends at 0 or 1."""
    squeeze, bias = (graph.weight(name) for name in gate.squeeze.input[1:])
    rising = np.where(bias[:, None] > 0, np.abs(squeeze[:, :, 0, 0]), squeeze[:, :, 0, 0].clip(0))
    excite = np.abs(graph.weight(gate.excite.input[1])[:, :, 0, 0])
    return float((excite @ rising).max()) * _slope(gate)


def _rest(graph: Graph, gate: _Gate) -> npt.NDArray[np.float32]:
    """Return what the gate says of a photo whose means are 0: float32 `[C]`, 0-1."""
    woken = graph.weight(gate.squeeze.input[2]).clip(0)
    weights, bias = (graph.weight(name) for name in gate.excite.input[1:])
    offset = attribute(gate.sigmoid, "beta", 0.5)
    rest: npt.NDArray[np.float32] = _slope(gate) * (weights[:, :, 0, 0] @ woken + bias) + offset
    return rest.clip(0, 1)


def _slope(gate: _Gate) -> float:
    return float(attribute(gate.sigmoid, "alpha", 0.2))  # ONNX's default


ENTRY = GraphPass(25, "constant gates -> the convolution behind", apply)
