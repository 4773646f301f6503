"""The latency of mobilenet_v3_large in INT8; random weights, which say nothing of accuracy.

python -m benchmarks.int8.int8_large ../shared/cats
"""

from pathlib import Path

import click
import torch

from benchmarks.results import write_result
from edgecat.bench.clock import median_ratio, percentiles
from edgecat.bench.latency import measure_latencies_ms
from edgecat.bundle.gzipped import compress
from edgecat.bundle.manifest import Variant
from edgecat.export.floats import build_float_models
from edgecat.export.to_onnx import export_onnx
from edgecat.graph.optimize import optimize_graph
from edgecat.photos.folder import find_photos
from edgecat.photos.pixels import load_batch
from edgecat.progress import Silent
from edgecat.quantize.calibrate import calibrate
from edgecat.quantize.quantizer import Quantizer
from edgecat.quantize.recipe import RECIPES
from edgecat.runtime.engine import open_model
from edgecat.train.network import build_network

_NUM_CLASSES = 12
_NUM_ROUNDS, _NUM_WARMUP = 300, 30

_FILES = {
    "onnxruntime-int8": ("model.onnx",),
    "openvino-int8": ("model.xml.gz", "model.bin"),
}


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
def main(data: Path) -> None:
    """Quantize a random network with the search's last recipe before distillation, and time it."""
    photos = load_batch([photo.path for photo in find_photos(data)[::75]])
    torch.manual_seed(0)
    network = build_network("mobilenet_v3_large", _NUM_CLASSES).train()
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = 1.0  # all statistics from the pass below
    with torch.no_grad():
        network(torch.from_numpy(photos))
    graph, _ = optimize_graph(export_onnx(network.eval()), photos[:2])
    engines = {
        model.variant.name: open_model(model.variant, model.files, threads=1)
        for model in build_float_models(graph, Silent())
    }
    quantizer = Quantizer(calibrate(graph, photos), photos)
    sizes = {"onnxruntime-fp32": len(graph.SerializeToString())}
    for form, steps in RECIPES.load_all().items():
        name = f"{form}-int8"
        distilled = next(step for step in steps if step.distils)
        recipe = next(
            step
            for step in steps
            if step.mends_biases and step.num_float_stages == distilled.num_float_stages
        )
        files = quantizer.make(form, recipe)
        stored = map(compress, _FILES[name], files)  # as they lie in a bundle
        sizes[name] = sum(map(len, stored))
        engines[name] = open_model(Variant(name, _FILES[name]), files, threads=1)
    times = measure_latencies_ms(engines, network.input, _NUM_ROUNDS, _NUM_WARMUP)
    rows = [
        {
            "variant": name,
            "latency_ms": percentiles(times[name]),
            "ratio_to_fp32": median_ratio(times[name], times[f"{name.split('-')[0]}-fp32"]),
            "size_bytes": sizes.get(name),
        }
        for name in engines
    ]
    for row in rows:
        click.echo(f"{row['variant']}: {row['ratio_to_fp32']:.2f}x fp32")
    write_result("int8_large", {"num_photos": len(photos), "num_rounds": _NUM_ROUNDS, "rows": rows})


if __name__ == "__main__":
    main()
