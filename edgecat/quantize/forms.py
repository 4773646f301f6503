"""What INT8 looks like to each engine: the one list of variants that can be quantized."""

from collections.abc import Mapping
from types import ModuleType

from edgecat.quantize import onnxruntime, openvino

#: Each form is a module that tells which tensors to measure, places the grids and writes the model.
FORMS: Mapping[str, ModuleType] = {"onnxruntime-int8": onnxruntime, "openvino-int8": openvino}
