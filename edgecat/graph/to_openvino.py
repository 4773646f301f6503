"""ONNX -> OpenVINO IR, in float32."""

import re
import tempfile
from pathlib import Path
from typing import Any

import onnx

from edgecat.errors import ExportError
from edgecat.graph.pixels_last import keep_pixels_last

# "Constant_160263"
_COUNTED = re.compile(r"[A-Z][A-Za-z]*_\d+")


def export_openvino(model: onnx.ModelProto) -> tuple[bytes, bytes]:
    """Return a float model as OpenVINO IR: the graph's XML and its weights.

    Args:
        model: As `optimize_graph` returns it.

    Raises:
        ExportError: OpenVINO does not read the model.
    """
    converted = convert_openvino(model)
    keep_pixels_last(converted)
    return serialize_openvino(converted)


def convert_openvino(model: onnx.ModelProto) -> Any:
    """Return a float model as OpenVINO's own, an `openvino.Model`.

    `convert_model` simplifies the graph, which plain reading does not: 320 operators instead of
    934, and INT8 made from the latter ran slower than float32.

    Args:
        model: As `optimize_graph` returns it; its tensors keep their names.

    Raises:
        ExportError: OpenVINO does not read the model.
    """
    import openvino

    try:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "model.onnx"
            file.write_bytes(model.SerializeToString())
            return openvino.convert_model(file)
    except (RuntimeError, openvino.frontend.OpConversionFailure) as error:
        raise ExportError(
            f"OpenVINO {openvino.__version__} does not read the graph: {error}"
        ) from error


def serialize_openvino(model: Any) -> tuple[bytes, bytes]:
    """Return an OpenVINO model's XML and its weights: for the same model, the same bytes."""
    import openvino

    _number_names(model)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.xml"
        openvino.save_model(model, file, compress_to_fp16=False)
        return file.read_bytes(), file.with_suffix(".bin").read_bytes()


def _number_names(model: Any) -> None:
    """Give operators whose name is a type and a number one that counts within the model.

    OpenVINO counts all operators that the process ever made, so the same model would have other
    bytes in another process.
    """
    for number, operator in enumerate(model.get_ordered_ops()):
        if _COUNTED.fullmatch(operator.get_friendly_name()):
            operator.set_friendly_name(f"{operator.get_type_name()}_{number}")
