"""Where should INT8 for OpenVINO round? The latency of five choices.

python -m benchmarks.int8.openvino_places ../shared/cats --bundle runs/seed0.edgecat
"""

from pathlib import Path

import click
import numpy as np
import onnx

from benchmarks.results import write_result
from edgecat.bench.clock import median_ratio, percentiles
from edgecat.bench.latency import measure_latencies_ms
from edgecat.bundle.manifest import Variant
from edgecat.bundle.store import load_bundle
from edgecat.photos.folder import find_photos
from edgecat.photos.pixels import load_batch
from edgecat.quantize.calibrate import calibrate
from edgecat.quantize.forms import openvino
from edgecat.quantize.grids import HARD_SIGMOID, SAFE_WEIGHT_LIMIT, span_range
from edgecat.quantize.placement import Parts, Placement
from edgecat.quantize.ranges import measure_histograms
from edgecat.quantize.rescale import is_depthwise
from edgecat.runtime.choice import open_engine
from edgecat.runtime.engine import open_model

_INT8 = Variant("openvino-int8", ("model.xml", "model.bin"))
_NUM_ROUNDS, _NUM_WARMUP = 1500, 50


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--bundle", type=click.Path(path_type=Path), required=True)
def main(data: Path, bundle: Path) -> None:
    """Quantize a bundle's float graph with other roundings each time; time all in turn."""
    photos = load_batch([photo.path for photo in find_photos(data)[::60]])
    loaded = load_bundle(bundle)
    graph = onnx.load_model_from_string(loaded.model_files("onnxruntime-fp32")[0])
    parts = Parts(calibrate(graph, photos).model, 0)
    floats = open_engine(loaded, "openvino-fp32", threads=1)
    engines = {"float": floats}
    for title, placement in _choose_places(parts, photos).items():
        engines[title] = open_model(_INT8, openvino.write(parts, placement), threads=1)
    times = measure_latencies_ms(engines, loaded.spec.input, _NUM_ROUNDS, _NUM_WARMUP)
    rows = [
        {
            "places": title,
            "latency_ms": percentiles(times[title]),
            "ratio_to_fp32": median_ratio(times[title], times["float"]),
        }
        for title in engines
    ]
    for row in rows:
        click.echo(f"{row['places']}: {row['ratio_to_fp32']:.3f}x fp32")
    write_result("openvino_places", {"num_rounds": _NUM_ROUNDS, "rows": rows})


def _choose_places(parts: Parts, photos: np.ndarray) -> dict[str, Placement]:
    """Return the shipped placement, and others that round more or less."""
    depthwise = {node.input[0] for node in parts.layers() if is_depthwise(node)}
    classifier = {node.input[0] for node in parts.layers() if node.op_type == "Gemm"}
    factors, others = set(), set()
    for node in parts.int_nodes:
        if node.op_type == "Mul":
            factors |= set(node.input)
        elif node.op_type in ("Add", "GlobalAveragePool"):
            others |= {*node.input, *node.output}
    dense = set(openvino.tensors_to_measure(parts))
    names = sorted(dense | depthwise | factors | others)
    histograms = measure_histograms(parts.model, dict.fromkeys(names), photos)
    gates = {node.output[0] for node in parts.int_nodes if node.op_type == "HardSigmoid"}

    def rounding(tensors: set[str]) -> Placement:
        grids = {
            n: HARD_SIGMOID if n in gates else span_range(*histograms[n].full_range())
            for n in tensors
        }
        return Placement(grids, SAFE_WEIGHT_LIMIT)

    return {
        "what dense layers read": rounding(dense),
        "but not the classifier": rounding(dense - classifier),
        "and what depthwise layers read": rounding(dense | depthwise),
        "and factors of gates": rounding(dense | depthwise | factors),
        "and additions and averages": rounding(dense | depthwise | factors | others),
    }


if __name__ == "__main__":
    main()
