"""What ONNX Runtime's own static quantization makes of the same model, with its defaults.

python -m benchmarks.int8.naive_int8 ../shared/cats --run runs/seed0 --bundle runs/seed0.edgecat

The measure of what edgecat's INT8 is worth: same checkpoint, same calibration photos, same test.
"""

import dataclasses
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from benchmarks.photos import list_calibration, list_test_photos
from benchmarks.results import write_result
from edgecat.bench.clock import median_ratio
from edgecat.bench.latency import measure_latencies_ms
from edgecat.bundle.manifest import Variant
from edgecat.bundle.store import load_bundle
from edgecat.photos.pixels import load_pixels
from edgecat.progress import Silent
from edgecat.runtime.choice import open_engine
from edgecat.runtime.engine import open_model
from edgecat.scores.answers import Interface, answer_photos
from edgecat.scores.compare import compare_accuracy

_RECIPES = {
    "defaults (S8S8, per tensor)": {},
    "U8S8, per channel": {
        "activation_type": QuantType.QUInt8,
        "weight_type": QuantType.QInt8,
        "per_channel": True,
    },
}

# Its calibrators keep every tensor of every photo in memory.
_NUM_PHOTOS = 100

_NUM_ROUNDS, _NUM_WARMUP = 200, 20


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, photos: list[Path]) -> None:
        self._photos: Iterator[Path] = iter(photos)

    def get_next(self) -> dict[str, np.ndarray] | None:
        photo = next(self._photos, None)
        return None if photo is None else {"image": load_pixels(photo)[None]}


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--run", type=click.Path(path_type=Path), required=True)
@click.option("--bundle", type=click.Path(path_type=Path), required=True)
def main(data: Path, run: Path, bundle: Path) -> None:
    """Quantize the run's float graph with onnxruntime.quantization and measure it."""
    calibration = list_calibration(run, data)
    calibration = calibration[:: -(-len(calibration) // _NUM_PHOTOS)]
    photos = list_test_photos(run, data)
    loaded = load_bundle(bundle)
    spec = loaded.spec.input
    interface = Interface(spec, loaded.spec.labels)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "prepared.onnx"
        quantized = Path(folder) / "quantized.onnx"
        plain = Path(folder) / "plain.onnx"
        plain.write_bytes(loaded.model_files("onnxruntime-fp32")[0])
        quant_pre_process(plain, prepared)
        fp32 = open_engine(loaded, "onnxruntime-fp32", threads=1)
        for name, settings in _RECIPES.items():
            quantize_static(
                prepared,
                quantized,
                _Reader(calibration),
                quant_format=QuantFormat.QDQ,
                **settings,
            )
            onnx.checker.check_model(quantized)
            variant = Variant("onnxruntime-int8", ("quantized.onnx",))
            int8 = open_model(variant, [quantized.read_bytes()], threads=1)
            answers = answer_photos([fp32.run, int8.run], interface, photos, Silent())
            times = measure_latencies_ms(
                {"fp32": fp32, "int8": int8}, spec, _NUM_ROUNDS, _NUM_WARMUP
            )
            change = compare_accuracy(*answers.logits, answers.targets)
            rows.append(
                {
                    "recipe": name,
                    "change": dataclasses.asdict(change),
                    "ratio_to_fp32": median_ratio(times["int8"], times["fp32"]),
                }
            )
            print(rows[-1])
    write_result("naive_int8", {"num_calibration": len(calibration), "rows": rows})


if __name__ == "__main__":
    main()
