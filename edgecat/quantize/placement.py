"""Where an INT8 graph rounds: which nodes are integer, which tensors have a grid.

An engine's form (`edgecat.quantize.forms`) chooses the places, the student
(`edgecat.quantize.student`) rounds in them while it learns, and the form writes them.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from edgecat.quantize.grids import Grid
from edgecat.quantize.prepare import WEIGHTED
from edgecat.quantize.rescale import float_nodes, is_depthwise


@dataclasses.dataclass(frozen=True)
class Placement:
    """Where and how an INT8 graph rounds.

    Attributes:
        grids: For each tensor of the float graph that has a uint8 version, its grid.
        weight_limit: Largest |weight| as an integer.
    """

    grids: Mapping[str, Grid]
    weight_limit: int


class Parts:
    """A float graph, cut into first nodes that stay float and all others.

    Attributes:
        model: The float model.
        weights: Its constants by name.
        float_nodes: The first nodes, which stay float.
        int_nodes: All others.
    """

    def __init__(self, model: onnx.ModelProto, num_float_stages: int) -> None:
        """Cut a graph.

        Args:
            model: Nodes in the order of computation.
            num_float_stages: How far the float part goes, see `float_nodes`.

        Raises:
            QuantizeError: The graph has not so many stages.
        """
        nodes = list(model.graph.node)
        num_float = len(float_nodes(model.graph, num_float_stages))
        self.model = model
        self.weights = {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}
        self.float_nodes, self.int_nodes = nodes[:num_float], nodes[num_float:]
        self._outputs = {item.name for item in model.graph.output}
        self._readers: dict[str, list[onnx.NodeProto]] = {}
        for node in nodes:
            for name in node.input:
                self._readers.setdefault(name, []).append(node)

    def layers(self) -> list[onnx.NodeProto]:
        """Return the nodes whose weights become integers."""
        return [node for node in self.int_nodes if node.op_type in WEIGHTED]

    def is_output(self, tensor: str) -> bool:
        """Tell whether the model answers with a tensor."""
        return tensor in self._outputs

    def only_reader(self, tensor: str) -> onnx.NodeProto | None:
        """Return the node that reads a tensor, where there is only one."""
        readers = self._readers.get(tensor, [])
        return readers[0] if len(readers) == 1 else None

    def channel_weights(self, tensor: str) -> npt.NDArray[np.float64] | None:
        """Return the squared weights that each channel meets in the next convolutions.

        Returns:
            float64 `[C]`; None: equal.
        """
        total = None
        for node in self._readers.get(tensor, []):
            if node.op_type == "Conv":
                squares = np.square(self.weights[node.input[1]], dtype=np.float64)
                found = squares.sum(axis=(1, 2, 3) if is_depthwise(node) else (0, 2, 3))
            elif node.op_type in ("Relu", "HardSwish", "Mul"):
                found = self.channel_weights(node.output[0])
            else:
                continue
            total = found if total is None or found is None else total + found
        return total
