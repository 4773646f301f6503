"""Write graphs in the form that ONNX Runtime's optimiser turns into integer ops.

Every op is written in float, between `DequantizeLinear` and `QuantizeLinear` (QDQ); ONNX Runtime
fuses the three into one op on integers. The file is kept small: the uint8 version of a tensor "12"
is "12q", the float view of that "12f", made with the scale "12s" and a zero point "z128" that all
share; nodes that only convert have no name; zero points that are 0 for each channel are left out.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from edgecat.errors import QuantizeError
from edgecat.quantize.grids import Grid, IntegerLayer

# Attributes that say what is so without them, too.
_DEFAULTS: dict[str, Any] = {
    "auto_pad": b"NOTSET",
    "dilations": [1, 1],
    "group": 1,
    "pads": [0, 0, 0, 0],
    "strides": [1, 1],
    "alpha": 1.0,
    "beta": 1.0,
    "transA": 0,
}


class QdqGraph:
    """A graph that grows node by node, in the order of computation.

    Attributes:
        nodes: Written so far.
        constants: Its constants by name.
    """

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, npt.NDArray[Any]] = {}
        self._grids: dict[str, Grid] = {}
        self._views: set[str] = set()

    def store(self, name: str, values: npt.NDArray[Any]) -> str:
        """Store a constant and return its name."""
        self.constants[name] = values
        return name

    def add(
        self, node: onnx.NodeProto, inputs: Sequence[str], output: str, op: str | None = None
    ) -> None:
        """Write a float node with other inputs and another output.

        Args:
            node: Gives name and attributes.
            inputs: Names of tensors or constants.
            output: The name of the one it makes.
            op: What to write in its place, without attributes; None for the same.
        """
        copy = helper.make_node(op or node.op_type, inputs, [output], name=node.name)
        if op is None:
            copy.attribute.extend(_telling_attributes(node.attribute))
        self.nodes.append(copy)

    def find(self, op: str) -> onnx.NodeProto:
        """Return the first node of a kind.

        Raises:
            QuantizeError: There is none.
        """
        for node in self.nodes:
            if node.op_type == op:
                return node
        raise QuantizeError(
            f"no {op} before the first convolution; only a graph as `edgecat export` makes "
            "it can be quantized"
        )

    def replace(
        self, nodes: Sequence[onnx.NodeProto], op: str, inputs: Sequence[str], **attributes: Any
    ) -> None:
        """Write one node in the place of several that follow each other."""
        place = self.nodes.index(nodes[0])
        made = helper.make_node(op, inputs, nodes[-1].output, **attributes)
        self.nodes[place : place + len(nodes)] = [made]

    def add_layer(
        self, node: onnx.NodeProto, source: str, layer: IntegerLayer, output: str
    ) -> None:
        """Write a Conv or Gemm with integer weights.

        Args:
            node: The float one; its second and third input name weight and bias.
            source: The tensor that it reads.
            layer: Its integers.
            output: The float tensor that it makes.
        """
        weight, bias = node.input[1:]
        # ONNX Runtime fuses a Conv without zero points, a Gemm only with those of its weights.
        needs_zero = node.op_type == "Gemm"
        inputs = [
            self.dequantize(source),
            self._dequantize_constant(weight, layer.weight, layer.weight_steps, needs_zero),
            self._dequantize_constant(bias, layer.bias, layer.bias_steps, False),
        ]
        self.add(node, inputs, output)

    def quantize(self, tensor: str, grid: Grid, into: str | None = None) -> None:
        """Make the uint8 version of a float tensor.

        Args:
            tensor: The float one.
            grid: For it.
            into: The name that its uint8 version is known by; None for the same.
        """
        name = into or tensor
        self.store_grid(name, grid)
        inputs = [tensor, *self._grid_names(name)]
        self.nodes.append(helper.make_node("QuantizeLinear", inputs, [f"{name}q"]))

    def grid(self, tensor: str) -> Grid:
        """Return the grid of a tensor's uint8 version.

        Raises:
            QuantizeError: It has none.
        """
        if tensor not in self._grids:
            raise QuantizeError(
                f"tensor {tensor!r} is float where an integer layer reads it; only a graph "
                "as `edgecat export` makes it can be quantized"
            )
        return self._grids[tensor]

    def dequantize(self, tensor: str, into: str | None = None) -> str:
        """Return the name of a uint8 tensor's float view, which is made on first use.

        Args:
            tensor: The uint8 one.
            into: The view's name; None for the usual one, tensor "12" having "12f".
        """
        view = into or f"{tensor}f"
        if view not in self._views:
            self._views.add(view)
            inputs = [f"{tensor}q", *self._grid_names(tensor)]
            self.nodes.append(helper.make_node("DequantizeLinear", inputs, [view]))
        return view

    def store_grid(self, tensor: str, grid: Grid) -> None:
        """Remember a tensor's grid."""
        self._grids[tensor] = grid
        scale, zero = self._grid_names(tensor)
        self.store(scale, grid.scale)
        self.store(zero, grid.zero.astype(np.uint8))

    def build(self, like: onnx.ModelProto) -> onnx.ModelProto:
        """Return the model, with the input, output and versions of the float one."""
        graph = helper.make_graph(
            self.nodes,
            like.graph.name,
            like.graph.input,
            like.graph.output,
            [numpy_helper.from_array(values, name) for name, values in self.constants.items()],
        )
        model = helper.make_model(
            graph, opset_imports=like.opset_import, ir_version=like.ir_version
        )
        onnx.checker.check_model(model, full_check=True)
        return model

    def _grid_names(self, tensor: str) -> tuple[str, str]:
        """Return the names of the scale and the zero point of a tensor."""
        return f"{tensor}s", f"z{self.grid(tensor).zero}"

    def _dequantize_constant(
        self,
        name: str,
        values: npt.NDArray[Any],
        steps: npt.NDArray[np.float32],
        needs_zero: bool,
    ) -> str:
        """Return the float view of integers with one step per output channel (axis 0)."""
        inputs = [self.store(name, values), self.store(f"{name}s", steps)]
        if needs_zero:
            inputs.append(self.store(f"{name}z", np.zeros(len(steps), values.dtype)))
        view = f"{name}f"
        self.nodes.append(helper.make_node("DequantizeLinear", inputs, [view], axis=0))
        return view


def _telling_attributes(
    attributes: Iterable[onnx.AttributeProto],
) -> list[onnx.AttributeProto]:
    return [
        item
        for item in attributes
        if item.name not in _DEFAULTS or helper.get_attribute_value(item) != _DEFAULTS[item.name]
    ]
