"""Run the graph passes, each checked on real photos before the next one starts."""

import contextlib
from collections.abc import Sequence

import numpy as np
import onnx

from edgecat.errors import ParityError
from edgecat.graph.graph import Graph
from edgecat.graph.graph_pass import GraphPass, list_passes
from edgecat.photos.pixels import Pixels
from edgecat.runtime.engine import open_graph
from edgecat.scores.compare import compare_logits
from edgecat.scores.metrics import Logits

#: An exact pass changes only the order of float32 additions; for logits of up to 10, larger ones
#: may move in proportion. As much as the finished model may differ from the checkpoint
#: (`edgecat.export.parity`): the large network of tests/export, whose random weights amplify that
#: order, moves by 6e-4 on an Intel processor without AMX, by 1e-4 to 3e-4 on one with it.
PASS_TOLERANCE = 1e-3


def optimize_graph(
    model: onnx.ModelProto, photos: Pixels, passes: Sequence[GraphPass] = ()
) -> tuple[onnx.ModelProto, dict[str, int]]:
    """Return a faster model that answers the same, and what each pass changed.

    Args:
        model: As `export_onnx` returns it; left as it is.
        photos: uint8 `[N, H, W, 3]`, RGB: real ones, to check each pass with.
        passes: To run; none for all that there are.

    Raises:
        ParityError: A pass changed the answers by more than `PASS_TOLERANCE`.
    """
    optimized = onnx.ModelProto()
    optimized.CopyFrom(model)
    del optimized.functions[:], optimized.graph.value_info[:]  # shapes that no longer hold
    graph = Graph(optimized.graph)
    reference = run_float(model, photos)
    changes = {}
    for rewrite in passes or list_passes():
        changes[rewrite.title] = rewrite.apply(graph)
        gap = compare_logits(reference, run_float(optimized, photos)).logit_gap
        if not gap <= PASS_TOLERANCE * max(1.0, float(np.abs(reference).max()) / 10):
            raise ParityError(
                f"graph pass {rewrite.title!r} moved a logit by {gap:.2g}, more than "
                f"{PASS_TOLERANCE:g}; please report this with the run's folder"
            )
    del optimized.metadata_props[:]
    optimized.producer_name, optimized.producer_version, optimized.doc_string = "edgecat", "", ""
    onnx.checker.check_model(optimized, full_check=True)
    return optimized, changes


def run_float(model: onnx.ModelProto, photos: Pixels) -> Logits:
    """Return what the reference engine answers: float32 `[N, K]`.

    Args:
        model: Any that takes uint8 `[N, H, W, 3]`.
        photos: uint8 `[N, H, W, 3]`, RGB.
    """
    with contextlib.closing(open_graph(model.SerializeToString())) as engine:
        return engine.run(photos)
