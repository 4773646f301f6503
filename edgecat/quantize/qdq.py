"""Write graphs in the form that ONNX Runtime's optimiser turns into integer ops.

Every op is written in float, between `DequantizeLinear` and `QuantizeLinear` (QDQ); ONNX Runtime
fuses the three into one op on integers. The uint8 version of a tensor "conv12" is "conv12.q", the
float view of that "conv12.f"; zero points that are 0 for every channel are left out.
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
        grids: Of each tensor that has a uint8 version so far.
    """

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, npt.NDArray[Any]] = {}
        self.grids: dict[str, Grid] = {}
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
        inputs = [
            self.dequantize(source),
            self._dequantize_constant(weight, layer.weight, layer.weight_steps),
            self._dequantize_constant(bias, layer.bias, layer.bias_steps),
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
        inputs = [tensor, *self.store_grid(name, grid)]
        self.nodes.append(
            helper.make_node("QuantizeLinear", inputs, [f"{name}.q"], name=f"{name}.q")
        )

    def dequantize(self, tensor: str) -> str:
        """Return the name of a uint8 tensor's float view, which is made on first use.

        Raises:
            QuantizeError: It has no uint8 version.
        """
        if tensor not in self.grids:
            raise QuantizeError(
                f"tensor {tensor!r} is float where an integer layer reads it; only a MobileNetV3 "
                "as `edgecat export` makes it can be quantized"
            )
        view = f"{tensor}.f"
        if view not in self._views:
            self._views.add(view)
            inputs = [f"{tensor}.q", f"{tensor}.s", f"{tensor}.z"]
            self.nodes.append(helper.make_node("DequantizeLinear", inputs, [view], name=view))
        return view

    def store_grid(self, tensor: str, grid: Grid) -> tuple[str, str]:
        """Remember a tensor's grid; return the names of its scale and zero point."""
        self.grids[tensor] = grid
        scale = self.store(f"{tensor}.s", np.array(grid.scale, np.float32))
        return scale, self.store(f"{tensor}.z", np.array(grid.zero, np.uint8))

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

    def _dequantize_constant(
        self, name: str, values: npt.NDArray[Any], steps: npt.NDArray[np.float32]
    ) -> str:
        """Return the float view of integers with one step per output channel (axis 0)."""
        inputs = [self.store(name, values), self.store(f"{name}.s", steps)]
        view = f"{name}.f"
        self.nodes.append(helper.make_node("DequantizeLinear", inputs, [view], name=view, axis=0))
        return view


def _telling_attributes(
    attributes: Iterable[onnx.AttributeProto],
) -> list[onnx.AttributeProto]:
    return [
        item
        for item in attributes
        if item.name not in _DEFAULTS or helper.get_attribute_value(item) != _DEFAULTS[item.name]
    ]
