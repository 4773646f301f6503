"""Check a float model before work starts, and give it the form that the quantizers write from."""

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from edgecat.errors import QuantizeError
from edgecat.graph.graph import attribute

#: Ops with weights that become integers.
WEIGHTED = ("Conv", "Gemm")

#: Ops that bend what a layer makes.
ACTIVATIONS = ("Relu", "HardSigmoid", "HardSwish")

_INTEGER_OPS = ("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "QGemm")
_SHORT_OPS = {"GlobalAveragePool": "pool", "HardSwish": "hswish", "HardSigmoid": "hsigmoid"}


def own_constants(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return an equal model in which no two Conv or Gemm share a weight or a bias.

    Exporters merge equal constants and leave out biases of zeros.

    Args:
        model: A float model, BatchNorm folded; left as it is.

    Raises:
        QuantizeError: Not a float model, or one with weights that are no numbers; two nodes share a
            name; a weight is no stored constant, or that of a Gemm is not `[outputs, inputs]`; a
            Conv has groups of several channels.
    """
    model = onnx.ModelProto.FromString(model.SerializeToString())
    constants = {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}
    _check_model(model.graph, constants)
    for node in model.graph.node:
        if node.op_type not in WEIGHTED:
            continue
        weight = constants[node.input[1]]
        has_bias = len(node.input) > 2
        bias = constants[node.input[2]] if has_bias else np.zeros(len(weight), np.float32)
        node.input[1:] = [f"{node.name}/weight", f"{node.name}/bias"]
        for name, values in zip(node.input[1:], (weight, bias), strict=True):
            model.graph.initializer.append(numpy_helper.from_array(values, name))
    used = {name for node in model.graph.node for name in node.input}
    kept = [item for item in model.graph.initializer if item.name in used]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    return model


def shorten_names(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the same model with short names for all but its input and output.

    The node at place 12 is called "conv12", the tensor that it makes "12", a constant that it reads
    as its second input "12.1". In an INT8 file, where each tensor has many companions, long names
    are 4 % of the bytes.

    Args:
        model: Each node makes one tensor; left as it is.
    """
    model = onnx.ModelProto.FromString(model.SerializeToString())
    constants = {item.name for item in model.graph.initializer}
    new_names = {item.name: item.name for item in (*model.graph.input, *model.graph.output)}
    for number, node in enumerate(model.graph.node):
        node.name = f"{_SHORT_OPS.get(node.op_type, node.op_type.lower())}{number}"
        for place, name in enumerate(node.input):
            if name in constants:
                new_names.setdefault(name, f"{number}.{place}")
        new_names.setdefault(node.output[0], str(number))
        node.input[:] = [new_names[name] for name in node.input]
        node.output[:] = [new_names[name] for name in node.output]
    for item in model.graph.initializer:
        item.name = new_names[item.name]
    return model


def _check_model(graph: onnx.GraphProto, constants: dict[str, npt.NDArray[Any]]) -> None:
    if len({node.name for node in graph.node}) < len(graph.node):
        raise QuantizeError("nodes share a name or have none; name every node before quantizing")
    for name, values in constants.items():
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise QuantizeError(
                f"{name!r} holds {np.sum(~np.isfinite(values))} values that are NaN or infinite; "
                "only a model with finite weights can be quantized, fine-tune again"
            )
    for node in graph.node:
        if node.op_type in _INTEGER_OPS or node.op_type.startswith("QLinear"):
            raise QuantizeError(
                f"the model is INT8 already (node {node.name!r} is a {node.op_type}); give the "
                "float model it was made from"
            )
        if node.op_type in WEIGHTED:
            _check_layer(node, constants)


def _check_layer(node: onnx.NodeProto, constants: dict[str, npt.NDArray[Any]]) -> None:
    layer = f"{node.op_type} {node.name!r}"
    for name in node.input[1:]:
        if name not in constants or constants[name].dtype != np.float32:
            kind = constants[name].dtype if name in constants else "computed"
            raise QuantizeError(f"{layer}: {name!r} is {kind}; accepted are stored float32 weights")
    groups, shape = attribute(node, "group", 1), constants[node.input[1]].shape
    if groups > 1 and shape[:2] != (groups, 1):
        raise QuantizeError(
            f"{layer}: {groups} groups of {shape[1]} channels; accepted are all channels in one "
            "group, or each in its own"
        )
    if node.op_type == "Gemm" and attribute(node, "transB", 0) != 1:
        raise QuantizeError(f"{layer} needs transB=1: a weight of shape [outputs, inputs]")
