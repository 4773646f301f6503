"""torch -> ONNX, as plain as torch writes it."""

import contextlib
import copy
import io
import logging
import warnings
from collections.abc import Iterator

import onnx
import torch

from edgecat.errors import ExportError
from edgecat.train.network import PhotoNetwork

#: HardSwish is one operator from 14 on; 20 is read by all ONNX Runtimes since 1.17 (2024).
OPSET = 20

INPUT_NAME, OUTPUT_NAME = "image", "logits"


def export_onnx(network: PhotoNetwork) -> onnx.ModelProto:
    """Export a network: uint8 `[N, side, side, 3]` in, float32 logits `[N, K]` out, dynamic N.

    BatchNorm is folded into the convolution before it by torch's own exporter; weights keep the
    names that they have in the network's state_dict.

    Args:
        network: On the CPU; left as it is.

    Raises:
        ExportError: torch could not export it, or left a BatchNorm in the graph.
    """
    network = copy.deepcopy(network).eval()
    network.memory_format = torch.contiguous_format
    network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    # Two photos: with one, the exporter takes the batch for a constant.
    example = torch.zeros(2, *network.input.shape, dtype=torch.uint8)
    with _quiet():
        program = torch.onnx.export(
            network,
            (example,),
            dynamo=True,
            input_names=[INPUT_NAME],
            output_names=[OUTPUT_NAME],
            dynamic_shapes={"photos": {0: torch.export.Dim("N")}},
            opset_version=OPSET,
            optimize=True,
            verbose=False,
        )
    if program is None:
        raise ExportError("torch.onnx.export returned nothing")
    model: onnx.ModelProto = program.model_proto
    if any(node.op_type == "BatchNormalization" for node in model.graph.node):
        raise ExportError("torch.onnx.export left a BatchNormalization unfolded")
    return model


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's notes on its own deprecated parts from the user's screen."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
