"""INT8 for OpenVINO: NNCF's post-training quantization.

OpenVINO runs a scale per channel for the inputs of depthwise convolutions, which is what the
outlier channels of MobileNetV3 need; NNCF gives it.
"""

import contextlib
import io
import logging
import os
from collections.abc import Iterator

import onnx

from edgecat.export.to_openvino import export_openvino, serialize_openvino
from edgecat.pixels import Pixels
from edgecat.quantize.prepare import own_constants
from edgecat.quantize.rescale import float_nodes, rescale_channels

# What NNCF would quantize; all else in the float part is left alone anyway.
_QUANTIZABLE = ("Conv", "HardSwish", "Sub", "Mul")


def quantize_for_openvino(
    model: onnx.ModelProto, calibration: Pixels, *, num_float_halvings: int = 0
) -> tuple[bytes, bytes]:
    """Return an INT8 model as OpenVINO IR.

    Args:
        model: The optimized float model.
        calibration: uint8 `[N, 224, 224, 3]`, RGB: photos of the training split.
        num_float_halvings: How far the float part goes, 0 to 5: see `float_nodes`.

    Returns:
        Graph and weights.

    Raises:
        QuantizeError: The model is not one that `edgecat.export` makes.
        ExportError: OpenVINO does not read it.
    """
    rescaled = rescale_channels(own_constants(model), calibration)
    kept = float_nodes(rescaled.graph, num_float_halvings)
    kept_names = {node.name for node in kept if node.op_type in _QUANTIZABLE}
    with _quiet():
        import nncf
        import openvino

        read = openvino.Core().read_model(*map(io.BytesIO, export_openvino(rescaled)))
        shape = read.input().get_partial_shape()
        read.reshape([1, *list(shape)[1:]])  # NNCF simplifies more where nothing is dynamic
        # An ONNX node may become several operators: "name", "name/WithoutBiases".
        names = [operator.get_friendly_name() for operator in read.get_ops()]
        ignored = [name for name in names if name.split("/WithoutBiases")[0] in kept_names]
        # MIXED: symmetric weights, asymmetric activations, which hard-swish (-0.375 ...) needs.
        quantized = nncf.quantize(
            read,
            nncf.Dataset([photo[None] for photo in calibration]),
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(calibration),
            fast_bias_correction=False,
            ignored_scope=nncf.IgnoredScope(names=ignored) if ignored else None,
        )
        quantized.reshape(shape)
        return serialize_openvino(quantized)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep NNCF's log and progress bars off the screen, and its telemetry off the network."""
    os.environ.setdefault("NNCF_CI", "1")  # read when nncf is imported: no telemetry
    logging.getLogger("nncf").setLevel(logging.ERROR)
    with (
        open(os.devnull, "w") as nowhere,
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
    ):
        yield
