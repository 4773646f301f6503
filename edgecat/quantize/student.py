"""A float graph in torch that rounds where its INT8 graph will round.

It computes what the engine's integers compute, up to how ties and sums are rounded, but in float
and with gradients (straight-through: rounding has slope 1). So the biases can be mended and the
weights can learn before anything is written.

Weights are kept in units of their INT8 step, and biases in as fine a part of the layer's largest,
which makes one learning rate fit all layers, whatever their scale. The largest weight of each
channel keeps still: it is what defines the step, so the written integers are exactly those that the
student rounded to.
Source: Bengio et al., "Estimating or Propagating Gradients Through Stochastic Neurons" (2013), for
the straight-through gradient.
"""

from collections.abc import Callable

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from torch import Tensor, nn
from torch.nn import functional

from edgecat.quantize.grids import TOP, weight_steps
from edgecat.quantize.placement import Parts, Placement
from edgecat.quantize.prepare import ACTIVATIONS, WEIGHTED

#: Sees each layer's output before its activation, and returns what to go on with.
Hook = Callable[[onnx.NodeProto, Tensor], Tensor]


class Student(nn.Module):
    """A float graph with rounding.

    Attributes:
        weights: By layer, in INT8 steps: float32 `[O, ...]`.
        biases: By layer, in steps of which the largest has `weight_limit`: float32 `[O]`.
    """

    def __init__(self, parts: Parts, placement: Placement) -> None:
        """Read a graph.

        Args:
            parts: MobileNetV3 as `edgecat.quantize.prepare` names it; the layers of its integer
                part round their weights.
            placement: Where to round.
        """
        super().__init__()
        self._model, self._weight_limit = parts.model, placement.weight_limit
        self._nodes = [*parts.float_nodes, *parts.int_nodes]
        self._attributes = {
            node.name: {item.name: helper.get_attribute_value(item) for item in node.attribute}
            for node in self._nodes
        }
        self._last_reader = {name: node.name for node in self._nodes for name in node.input}
        self._grids = {
            name: (float(grid.scale), int(grid.zero)) for name, grid in placement.grids.items()
        }
        self._constants = {
            name: torch.from_numpy(values.copy()) for name, values in parts.weights.items()
        }
        self._steps: dict[str, Tensor] = {}
        self._bias_steps: dict[str, float] = {}
        self.weights, self.biases = nn.ParameterDict(), nn.ParameterDict()
        for node in parts.layers():
            self._add_layer(node)

    def _add_layer(self, node: onnx.NodeProto) -> None:
        weight, bias = (self._constants.pop(name) for name in node.input[1:])
        limit = self._weight_limit
        steps = torch.from_numpy(weight_steps(weight.numpy(), limit))
        self._steps[node.name] = steps.reshape(-1, *[1] * (weight.ndim - 1))
        in_steps = weight / self._steps[node.name]
        moves = (in_steps.abs() < limit * (1 - 1e-6)).float()
        if weight.ndim == 4:
            in_steps = in_steps.contiguous(memory_format=torch.channels_last)
        self.weights[node.name] = nn.Parameter(in_steps)
        self.weights[node.name].register_hook(lambda slope: slope * moves)
        self._bias_steps[node.name] = max(float(bias.abs().max()) / limit, 1e-12)
        self.biases[node.name] = nn.Parameter(bias / self._bias_steps[node.name])

    def forward(
        self, photos: Tensor, *, rounds: bool = True, on_layer: Hook | None = None
    ) -> Tensor:
        """Return float32 logits `[N, K]`.

        Args:
            photos: uint8 `[N, H, W, 3]`, RGB, 0-255.
            rounds: Whether to round; without, it answers as a float graph.
            on_layer: Called in each layer.
        """
        tensors = {self._model.graph.input[0].name: photos}
        for node in self._nodes:
            inputs = [tensors[name] for name in node.input if name in tensors]
            if node.op_type in WEIGHTED:
                made = self._compute_layer(node, inputs[0], rounds)
                made = on_layer(node, made) if on_layer else made
            else:
                constants = [self._constants[n] for n in node.input if n in self._constants]
                made = _OPS[node.op_type](self._attributes[node.name], *inputs, *constants)
            name = node.output[0]
            if rounds and name in self._grids:
                made = torch.fake_quantize_per_tensor_affine(made, *self._grids[name], 0, TOP)
            tensors[name] = made
            for read in node.input:  # maps are large: keep none longer than needed
                if self._last_reader[read] == node.name:
                    tensors.pop(read, None)
        return tensors[self._model.graph.output[0].name]

    def activated_tensors(self) -> set[str]:
        """Return the tensors that an activation reads."""
        return {node.input[0] for node in self._nodes if node.op_type in ACTIVATIONS}

    def to_model(self) -> onnx.ModelProto:
        """Return the float graph with the student's weights, which are whole steps, and biases."""
        model = onnx.ModelProto.FromString(self._model.SerializeToString())
        learned = {}
        for node in self._nodes:
            if node.name in self.weights:
                learned[node.input[1]] = self._weight(node.name, rounds=True)
                learned[node.input[2]] = self._bias(node.name)
        for item in model.graph.initializer:
            if item.name in learned:
                values = np.ascontiguousarray(learned[item.name].detach().numpy())
                item.CopyFrom(numpy_helper.from_array(values, item.name))
        return model

    def _compute_layer(self, node: onnx.NodeProto, maps: Tensor, rounds: bool) -> Tensor:
        if node.name in self.weights:
            weight, bias = self._weight(node.name, rounds), self._bias(node.name)
        else:
            weight, bias = (self._constants[name] for name in node.input[1:])
        if node.op_type == "Gemm":
            return functional.linear(maps, weight, bias)
        settings = self._attributes[node.name]
        return functional.conv2d(
            maps,
            weight,
            bias,
            stride=settings["strides"],
            padding=settings["pads"][:2],
            dilation=settings["dilations"],
            groups=settings["group"],
        )

    def _weight(self, layer: str, rounds: bool) -> Tensor:
        weight: Tensor = self.weights[layer]
        if rounds:
            limit = self._weight_limit
            weight = weight + (weight.round() - weight).detach()
            weight = weight.clamp(-limit, limit)
        return weight * self._steps[layer]

    def _bias(self, layer: str) -> Tensor:
        bias: Tensor = self.biases[layer]
        return bias * self._bias_steps[layer]

    def shift_bias(self, layer: str, shift: Tensor) -> None:
        """Add to a layer's bias: float32 `[O]`, in the unit of its output."""
        self.biases[layer].data += shift / self._bias_steps[layer]


# From attributes and inputs to output. Images come as [N, H, W, C], maps are [N, C, H, W].
_OPS: dict[str, Callable[..., Tensor]] = {
    "Transpose": lambda settings, x: x.permute(settings["perm"]),
    "Cast": lambda _, x: x.float(),
    "Sub": lambda _, x, y: x - y,
    "Relu": lambda _, x: functional.relu(x),
    "HardSwish": lambda _, x: functional.hardswish(x),
    "HardSigmoid": lambda _, x: functional.hardsigmoid(x),
    "Mul": lambda _, x, y: x * y,
    "Add": lambda _, x, y: x + y,
    "GlobalAveragePool": lambda _, x: x.mean((2, 3), keepdim=True),
    "Reshape": lambda _, x, __: x.flatten(1),
}
