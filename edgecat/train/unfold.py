"""A bundle's float graph -> the trainable network it was exported from.

Export folds each BatchNorm into the convolution before it, which forgets the statistics that
training needs. A bundle keeps them (`STATISTICS_FILE`), so that the next model can start from it:

    y = W x + b                         the folded convolution
      = (W x - mean) * gamma / sqrt(var + eps) + beta
        with  gamma = sqrt(var + eps)  and  beta = b + mean

where mean and var are those of W x, channel by channel. In evaluation this is the same function;
in training BatchNorm does what it did before as far as var is well above eps, since its result
does not depend on the scale of W.

The weights themselves stand in the graph; the file adds only what the graph lacks.
"""

import torch
from torch import Tensor

from edgecat.bundle.onnx_file import names_other_files
from edgecat.bundle.store import Bundle
from edgecat.errors import WeightsError

#: Statistics of each BatchNorm, and the tensors that the graph holds in another form.
STATISTICS_FILE = "batchnorm.safetensors"

GRAPH_FILE = "onnxruntime-fp32.onnx"

#: The float graph names its weights as the network does, behind this prefix.
PREFIX = "network."

# Source: torchvision.models.mobilenetv3: BatchNorm2d(eps=0.001).
BATCHNORM_EPS = 1e-3


def unfold_bundle(bundle: Bundle) -> dict[str, Tensor]:
    """Return the state_dict of the network that a bundle was exported from.

    Args:
        bundle: With `STATISTICS_FILE` and `GRAPH_FILE`.

    Raises:
        WeightsError: The files do not fit each other, or the graph is none that holds its weights.
        BundleError: A file is missing or changed.
    """
    import onnx
    from onnx import numpy_helper
    from safetensors.torch import load

    model = bundle.read(GRAPH_FILE)
    try:
        is_alone = not names_other_files(model)
    except ValueError as error:
        raise WeightsError(f"{bundle.path}: {GRAPH_FILE}: no ONNX ({error})") from error
    if not is_alone:
        raise WeightsError(f"{bundle.path}: {GRAPH_FILE}: its weights lie in another file")
    graph = onnx.load_model_from_string(model).graph
    tensors = {
        tensor.name.removeprefix(PREFIX): torch.from_numpy(numpy_helper.to_array(tensor).copy())
        for tensor in graph.initializer
        if tensor.name.startswith(PREFIX)
    }
    tensors |= load(bundle.read(STATISTICS_FILE))
    state = {}
    for name in [name for name in tensors if name.endswith(".running_var")]:
        layer = name.removesuffix(".running_var")
        bias = tensors.pop(layer.removesuffix(".1") + ".0.bias", None)
        mean = tensors.pop(f"{layer}.running_mean", None)
        variance = tensors.pop(name)
        if bias is None or mean is None:
            raise WeightsError(f"{bundle.path}: {layer} has no convolution before it")
        state[f"{layer}.running_mean"] = mean
        state[f"{layer}.running_var"] = variance
        state[f"{layer}.weight"] = torch.sqrt(variance + BATCHNORM_EPS)
        state[f"{layer}.bias"] = bias + mean
        state[f"{layer}.num_batches_tracked"] = torch.tensor(0)
    return tensors | state
