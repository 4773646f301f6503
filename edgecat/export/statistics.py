"""What folding BatchNorm forgets, kept in the bundle: the inverse is `edgecat.train.unfold`."""

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from edgecat.train.unfold import PREFIX, pair_batchnorms


def collect_statistics(network: nn.Module, model: onnx.ModelProto) -> dict[str, Tensor]:
    """Return the tensors that, with a float graph, give back the network.

    Args:
        network: What the graph was exported from.
        model: The optimized float graph.

    Returns:
        For each BatchNorm `running_mean` and `running_var` at the folded weights' scale, and
        every folded weight or bias that the graph holds in another form.
    """
    graph = {
        tensor.name.removeprefix(PREFIX): numpy_helper.to_array(tensor)
        for tensor in model.graph.initializer
    }
    state, convolution_of = network.state_dict(), pair_batchnorms(network)
    kept: dict[str, Tensor] = {}
    folded: dict[str, Tensor] = {}
    for name, layer in network.named_modules():
        if not isinstance(layer, nn.BatchNorm2d):
            if isinstance(layer, nn.Conv2d | nn.Linear) and layer.bias is not None:
                folded |= {f"{name}.{kind}": state[f"{name}.{kind}"] for kind in ("weight", "bias")}
            continue
        convolution = convolution_of[name]
        mean, variance = state[f"{name}.running_mean"], state[f"{name}.running_var"]
        scale = state[f"{name}.weight"] / torch.sqrt(variance + layer.eps)
        # A small scale asks for a variance below 0; with 0, evaluation is the same all the same.
        kept[f"{name}.running_mean"] = scale * mean
        kept[f"{name}.running_var"] = (scale**2 * (variance + layer.eps) - layer.eps).clamp(min=0)
        folded[f"{convolution}.weight"] = (
            state[f"{convolution}.weight"] * scale[:, None, None, None]
        )
        folded[f"{convolution}.bias"] = state[f"{name}.bias"] - scale * mean
    for name, tensor in folded.items():
        held = graph.get(name)
        if held is None or held.shape != tensor.shape or not np.allclose(held, tensor, rtol=1e-5):
            kept[name] = tensor
    return {name: tensor.contiguous() for name, tensor in kept.items()}
