"""Would it pay to leave single layers in float, the most sensitive first?

python -m benchmarks.int8.int8_sensitivity ../shared/cats --bundle runs/seed0.edgecat

In the student of the step "stem in float" for ONNX Runtime, each tensor is rounded alone, weights
and all others left as they are, on validation photos. Then all is rounded but the tensors that did
most damage, 1, 2, 4, ... of them together. Damage is the root mean square error of the logits as a
share of their spread. The prefixes that the search leaves in float are measured the same way.
"""

from pathlib import Path

import click
import numpy as np
import onnx
import torch

from benchmarks.photos import load_seen_photos
from benchmarks.results import write_result
from edgecat.bundle.store import load_bundle
from edgecat.quantize.bias import mend_biases
from edgecat.quantize.calibrate import calibrate
from edgecat.quantize.forms import onnxruntime
from edgecat.quantize.grids import SAFE_WEIGHT_LIMIT, Grid
from edgecat.quantize.placement import Parts, Placement
from edgecat.quantize.student import Student

_NUM_STAGES = 2
_NUM_PHOTOS = 64

# So many steps that rounding a weight changes nothing.
_FINE_WEIGHTS = 2**20


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--bundle", type=click.Path(path_type=Path), required=True)
def main(data: Path, bundle: Path) -> None:
    """Measure the damage of every rounding."""
    loaded = load_bundle(bundle)
    pixels, calibration = load_seen_photos(loaded, data, "val", "calibration")
    validation = torch.from_numpy(pixels[:: len(pixels) // _NUM_PHOTOS].copy())
    graph = onnx.load_model_from_string(loaded.model_files("onnxruntime-fp32")[0])
    calibrated = calibrate(graph, calibration)

    def choose(num_stages: int) -> tuple[Parts, dict[str, Grid]]:
        parts = Parts(calibrated.model, num_stages)
        return parts, onnxruntime.place(parts, calibrated.histograms, cuts=True)

    def damage(parts: Parts, grids: dict[str, Grid], limit: int = SAFE_WEIGHT_LIMIT) -> float:
        student = Student(parts, Placement(grids, limit))
        with torch.no_grad():
            expected = student(validation, rounds=False).numpy()
            if limit == SAFE_WEIGHT_LIMIT:
                mend_biases(student, calibration)
            gaps = student(validation).numpy() - expected
        return float(np.sqrt(np.square(gaps).mean()) / expected.std())

    parts, grids = choose(_NUM_STAGES)
    weights_alone = damage(parts, {})
    alone = {n: damage(parts, {n: grid}, _FINE_WEIGHTS) for n, grid in grids.items()}
    worst = sorted(grids, key=alone.__getitem__, reverse=True)
    left_out = [
        {"num_tensors": num, "damage": damage(parts, {n: grids[n] for n in worst[num:]})}
        for num in (0, 1, 2, 4, 8, 16, 32)
    ]
    prefixes = [{"num_float_halvings": num, "damage": damage(*choose(num))} for num in range(1, 6)]
    for row in (*left_out, *prefixes):
        click.echo(" ".join(f"{name} {value:.3g}" for name, value in row.items()))
    rows = [{"tensor": name, "damage": alone[name]} for name in worst]
    write_result(
        "int8_sensitivity",
        {
            "num_photos": len(validation),
            "damage_of_weights_alone": weights_alone,
            "tensors": rows,
            "worst_left_out": left_out,
            "prefixes_in_float": prefixes,
        },
    )


if __name__ == "__main__":
    main()
