"""Run the graph passes, each checked on real photos before the next one starts."""

import contextlib
from collections.abc import Mapping
from types import ModuleType

import numpy as np
import onnx

from edgecat.bundle.manifest import Variant
from edgecat.errors import ParityError
from edgecat.graph.graph import Graph
from edgecat.graph.passes import dead, features, pool, scale, tidy
from edgecat.photos.pixels import Pixels
from edgecat.runtime.engines.base import open_model
from edgecat.scores.compare import compare_logits
from edgecat.scores.metrics import Logits

PASSES: Mapping[str, ModuleType] = {
    "mean over height and width -> GlobalAveragePool": pool,
    "division by std -> first convolution": scale,
    "dead channels -> bias": dead,
    "what the classifier reads -> second output": features,
    "names, metadata": tidy,
}

#: An exact pass changes only the order of float32 additions; for logits of up to 10, larger ones
#: may move in proportion.
PASS_TOLERANCE = 1e-4

FLOAT_VARIANT = Variant("onnxruntime-fp32", ("onnxruntime-fp32.onnx",))


def optimize_graph(
    model: onnx.ModelProto, photos: Pixels
) -> tuple[onnx.ModelProto, dict[str, int]]:
    """Return a faster model that answers the same, and what each pass changed.

    Args:
        model: As `export_onnx` returns it; left as it is.
        photos: uint8 `[N, 224, 224, 3]`, RGB: real ones, to check each pass with.

    Raises:
        ParityError: A pass changed the answers by more than `PASS_TOLERANCE`.
    """
    optimized = onnx.ModelProto()
    optimized.CopyFrom(model)
    del optimized.functions[:], optimized.graph.value_info[:]  # shapes that no longer hold
    graph = Graph(optimized.graph)
    reference = run_float(model, photos)
    changes = {}
    for name, rewrite in PASSES.items():
        changes[name] = rewrite.apply(graph)
        gap = compare_logits(reference, run_float(optimized, photos)).logit_gap
        if not gap <= PASS_TOLERANCE * max(1.0, float(np.abs(reference).max()) / 10):
            raise ParityError(
                f"graph pass {name!r} moved a logit by {gap:.2g}, more than {PASS_TOLERANCE:g}; "
                "please report this with the run's folder"
            )
    del optimized.metadata_props[:]
    optimized.producer_name, optimized.producer_version, optimized.doc_string = "edgecat", "", ""
    onnx.checker.check_model(optimized, full_check=True)
    return optimized, changes


def run_float(model: onnx.ModelProto, photos: Pixels) -> Logits:
    """Return what ONNX Runtime answers: float32 `[N, K]`.

    Args:
        model: Any that takes uint8 `[N, 224, 224, 3]`.
        photos: uint8 `[N, 224, 224, 3]`, RGB.
    """
    with contextlib.closing(open_model(FLOAT_VARIANT, [model.SerializeToString()])) as engine:
        return engine.run(photos)
