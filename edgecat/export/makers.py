"""Which models an export makes: the one list of engines, their files and their precisions."""

import dataclasses
from collections.abc import Callable

import onnx

from edgecat.bundle.manifest import Variant
from edgecat.graph.to_openvino import export_openvino
from edgecat.runtime.engines.openvino import open_core


@dataclasses.dataclass(frozen=True)
class Maker:
    """How models for one engine are made.

    Attributes:
        engine: Its name.
        endings: Of its files' names, the graph's first.
        build: From the proven float graph to the float model's files.
        computes_bf16: Tells whether the engine computes the float model's files in bf16 here, too.
    """

    engine: str
    endings: tuple[str, ...]
    build: Callable[[onnx.ModelProto], tuple[bytes, ...]]
    computes_bf16: Callable[[], bool] = lambda: False

    def variant(self, precision: str, *, files_of: str | None = None) -> Variant:
        """Return what a bundle calls the engine's model of a precision.

        Args:
            precision: "fp32", "bf16" or "int8".
            files_of: The precision whose files it shares; None for files of its own.
        """
        stem = f"{self.engine}-{files_of or precision}"
        return Variant(
            f"{self.engine}-{precision}", tuple(stem + ending for ending in self.endings)
        )


def _cpu_has_bf16() -> bool:
    return "BF16" in open_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


#: In the order of a bundle's variants: the first one's float model is the measure of all others.
MAKERS = (
    Maker("onnxruntime", (".onnx",), lambda graph: (graph.SerializeToString(),)),
    Maker("openvino", (".xml.gz", ".bin"), export_openvino, _cpu_has_bf16),
)
