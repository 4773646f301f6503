"""From the fastest INT8 recipe to the most careful one: stop at the first that keeps its accuracy.

Each rung leaves more of the first layers in float. They are judged on validation photos, never on
test photos; what the chosen one is worth is reported on the test photos afterwards.
"""

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import onnx

from edgecat.compare import AccuracyChange, compare_accuracy
from edgecat.pixels import Pixels
from edgecat.progress import Progress
from edgecat.quantize.onnxruntime import quantize_for_onnxruntime
from edgecat.quantize.openvino import quantize_for_openvino
from edgecat.runtime.engines.base import open_model
from edgecat.scores import Indices, Logits
from edgecat.spec import Variant

#: Drop on the validation photos with which a rung is good enough, percentage points.
GOOD_DROP_PP = 0.5

# Photos a call: the first layers' maps take 2 MB a photo.
_BATCH = 32

# Each step leaves more in float: closer to the checkpoint, and slower. What the rungs were worth on
# 12 breeds stands in benchmarks/results/*/export_cats.json ("ladder", "benchmark").
RUNGS: Mapping[str, Sequence[int]] = {"onnxruntime-int8": (2, 4, 5), "openvino-int8": (0, 2, 4)}


@dataclasses.dataclass(frozen=True)
class Judges:
    """Validation photos and what the checkpoint says of them.

    Attributes:
        photos: uint8 `[N, 224, 224, 3]`, RGB.
        targets: int64 `[N]`.
        expected: float32 `[N, K]`, the checkpoint's answers.
    """

    photos: Pixels
    targets: Indices
    expected: Logits


@dataclasses.dataclass(frozen=True)
class Rung:
    """One recipe, tried.

    Attributes:
        num_float_halvings: How far the float part goes, see `edgecat.quantize.rescale.float_nodes`.
        change: Its accuracy on the validation photos.
        duration_s: To quantize and to judge.
    """

    num_float_halvings: int
    change: AccuracyChange
    duration_s: float


def climb(
    variant: Variant,
    graph: onnx.ModelProto,
    calibration: Pixels,
    judges: Judges,
    progress: Progress,
) -> tuple[list[bytes], list[Rung]]:
    """Quantize a graph for an engine.

    Args:
        variant: An INT8 one.
        graph: The optimized float graph.
        calibration: uint8 `[N, 224, 224, 3]`, RGB: training photos.
        judges: Validation photos.
        progress: Told of each rung.

    Returns:
        The files of the first rung that loses at most `GOOD_DROP_PP` or one photo, or of the best
        if none does; and all rungs tried.
    """
    quantize = _QUANTIZERS[variant.name]
    tried: list[Rung] = []
    made: list[list[bytes]] = []
    for num_float_halvings in RUNGS[variant.name]:
        started_s = time.perf_counter()
        files = quantize(graph, calibration, num_float_halvings)
        engine = open_model(variant, files)
        answers = np.concatenate(
            [
                engine.run(judges.photos[start : start + _BATCH])
                for start in range(0, len(judges.photos), _BATCH)
            ]
        )
        engine.close()
        change = compare_accuracy(judges.expected, answers, judges.targets)
        rung = Rung(num_float_halvings, change, time.perf_counter() - started_s)
        tried.append(rung)
        made.append(files)
        progress.say(
            f"{variant.name}, float up to halving {num_float_halvings}: validation drop "
            f"{change.drop_pp:+.1f} pp, same answer on {100 * change.agreement_ratio:.1f} % of "
            f"{change.num_images} photos, {rung.duration_s:.0f} s"
        )
        if change.drop_pp <= GOOD_DROP_PP or change.num_lost <= 1:
            return files, tried
    best = min(range(len(tried)), key=lambda i: tried[i].change.drop_pp)
    return made[best], tried


def _for_onnxruntime(graph: onnx.ModelProto, calibration: Pixels, halvings: int) -> list[bytes]:
    quantized = quantize_for_onnxruntime(graph, calibration, num_float_halvings=halvings)
    return [quantized.SerializeToString()]


def _for_openvino(graph: onnx.ModelProto, calibration: Pixels, halvings: int) -> list[bytes]:
    return list(quantize_for_openvino(graph, calibration, num_float_halvings=halvings))


_QUANTIZERS: Mapping[str, Callable[[onnx.ModelProto, Pixels, int], list[bytes]]] = {
    "onnxruntime-int8": _for_onnxruntime,
    "openvino-int8": _for_openvino,
}
