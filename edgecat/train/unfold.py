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
from torch import Tensor, nn

from edgecat.bundle.onnx_file import names_other_files
from edgecat.bundle.store import Bundle
from edgecat.errors import WeightsError

#: Statistics of each BatchNorm, and the tensors that the graph holds in another form.
STATISTICS_FILE = "batchnorm.safetensors"

#: The float graph names its weights as the network does, behind this prefix.
PREFIX = "network."


def pair_batchnorms(network: nn.Module) -> dict[str, str]:
    """Return the name of the convolution before each BatchNorm, by the name of the latter."""
    pairs: dict[str, str] = {}
    convolution = ""
    for name, layer in network.named_modules():
        if isinstance(layer, nn.Conv2d):
            convolution = name
        elif isinstance(layer, nn.BatchNorm2d):
            pairs[name] = convolution
    return pairs


def _read_graph(bundle: Bundle) -> dict[str, Tensor]:
    """Return the weights in a bundle's float graph, by the network's names.

    Raises:
        WeightsError: It is no ONNX, or its weights lie elsewhere.
        BundleError: The file is missing, changed, or cannot be decompressed.
    """
    import onnx
    from onnx import numpy_helper

    reference = bundle.spec.variants[0]
    file, model = reference.files[0], bundle.model_files(reference.name)[0]
    try:
        is_alone = not names_other_files(model)
        graph = onnx.load_model_from_string(model).graph if is_alone else onnx.GraphProto()
        weights = {
            one.name.removeprefix(PREFIX): torch.from_numpy(numpy_helper.to_array(one).copy())
            for one in graph.initializer
            if one.name.startswith(PREFIX)
        }
    except Exception as error:  # of a forged file: protobuf's own, ValueError, TypeError, ...
        raise WeightsError(f"{bundle.name}: {file}: no ONNX that reads ({error})") from error
    if not is_alone:
        raise WeightsError(f"{bundle.name}: {file}: its weights lie in another file")
    return weights


def _read_statistics(bundle: Bundle) -> dict[str, Tensor]:
    """Return what a bundle keeps beside its graph.

    Raises:
        WeightsError: It is no safetensors.
        BundleError: The file is missing or changed.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    data = bundle.read(STATISTICS_FILE)
    try:
        return load(data)
    except (SafetensorError, KeyError, ValueError, RuntimeError) as error:
        raise WeightsError(f"{bundle.name}: {STATISTICS_FILE} does not read ({error})") from error


def unfold_bundle(bundle: Bundle, network: nn.Module) -> dict[str, Tensor]:
    """Return the state_dict of the network that a bundle was exported from.

    Args:
        bundle: With `STATISTICS_FILE`; its first variant is the float graph.
        network: One like it, with any weights.

    Raises:
        WeightsError: The files do not fit each other, or the graph is none that holds its weights.
        BundleError: A file is missing, changed, or cannot be decompressed.
    """
    tensors = _read_graph(bundle) | _read_statistics(bundle)
    state = {}
    for layer, convolution in pair_batchnorms(network).items():
        names = (f"{convolution}.bias", f"{layer}.running_mean", f"{layer}.running_var")
        if missing := [name for name in names if name not in tensors]:
            raise WeightsError(f"{bundle.name}: holds no {', '.join(missing)}; export it again")
        bias, mean, variance = (tensors.pop(name) for name in names)
        if not bias.shape == mean.shape == variance.shape:
            raise WeightsError(f"{bundle.name}: {', '.join(names)} are of different shapes")
        eps: float = network.get_submodule(layer).eps  # type: ignore[assignment]
        state[f"{layer}.running_mean"] = mean
        state[f"{layer}.running_var"] = variance
        state[f"{layer}.weight"] = torch.sqrt(variance + eps)
        state[f"{layer}.bias"] = bias + mean
        state[f"{layer}.num_batches_tracked"] = torch.tensor(0)
    return tensors | state
