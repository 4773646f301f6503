"""Does the INT8 model answer alike on other processors, and what does it save there?

python -m benchmarks.int8.int8_cpus ../shared/cats --run runs/seed0 --bundle runs/seed0.edgecat
    --arm "python tests/emulated/pi.py"

Runs the bundle's variants in edgecat's own runtime on emulated processors: an x86-64 without VNNI
(`qemu-x86_64 -cpu Haswell`, of Debian's package qemu-user) and, with --arm COMMAND, 64-bit Arm.
COMMAND is called as `COMMAND pi4 script.py arguments...` and has to run the script with an aarch64
Python that has numpy, pillow and onnxruntime, emulating that Raspberry Pi's processor; where it
prints "ICOUNT n" at each call of os.getppid(), n being the instructions since the last,
instructions per photo are counted. `tests/emulated/pi.py` does all that.

On Haswell the same recipe is tried with weights of 8 bits, to show what these cost.
"""

import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.engines.emulated import read_counts
from benchmarks.photos import list_calibration, list_test_photos
from benchmarks.results import write_result
from edgecat.bundle.manifest import Variant
from edgecat.bundle.store import Bundle, load_bundle
from edgecat.photos.pixels import Pixels, load_batch
from edgecat.quantize.calibrate import calibrate
from edgecat.quantize.grids import SAFE_WEIGHT_LIMIT, WEIGHT_LIMIT
from edgecat.quantize.quantizer import Quantizer
from edgecat.quantize.recipe import Recipe
from edgecat.runtime.engine import find_precision
from edgecat.scores import metrics
from edgecat.scores.compare import compare_accuracy

_PROJECT = Path(__file__).parents[2]
_INT8 = Variant("onnxruntime-int8", ("model.onnx",))

# Runs on the emulated machine: answers all photos, then counts the instructions of three.
_CHILD = """
import os, sys
import numpy as np
from pathlib import Path
from edgecat.runtime.engine import open_model
from edgecat.bundle.manifest import Variant
photos, out, *models = sys.argv[1:]
photos = np.load(photos)
answers = {}
for model in models:
    name, *files = model.split(",")
    engine = open_model(Variant(name, tuple(files)), [Path(f).read_bytes() for f in files], 1)
    answers[model] = np.concatenate([engine.run(photos[i : i + 1]) for i in range(len(photos))])
    os.getppid()
    for i in range(3):
        engine.run(photos[i : i + 1])
    os.getppid()
np.savez(out, **answers)
"""


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--run", type=click.Path(path_type=Path), required=True)
@click.option("--bundle", type=click.Path(path_type=Path), required=True)
@click.option("--arm", help="Runs aarch64 Python; see above.")
@click.option("--photos", "num_photos", default=120, show_default=True)
def main(data: Path, run: Path, bundle: Path, arm: str | None, num_photos: int) -> None:
    """Compare answers on emulated processors with those of this one, on test photos."""
    tested = list_test_photos(run, data)
    tested = tested[:: max(1, len(tested) // num_photos)][:num_photos]
    photos = load_batch([photo.path for photo in tested])
    labels = load_bundle(bundle).spec.labels
    targets = np.array([labels.index(photo.label) for photo in tested])
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        np.save(work / "photos.npy", photos)
        (work / "child.py").write_text(_CHILD)
        models = _unpack(load_bundle(bundle), work)
        calibration = load_batch(list_calibration(run, data))
        models |= _build_by_bits(load_bundle(bundle), calibration, work)
        native = [sys.executable, str(work / "child.py")]
        haswell = ["qemu-x86_64", "-cpu", "Haswell", *native]
        machines = {"this one": native, "Haswell (emulated)": haswell}
        rows = [
            row
            for machine, command in machines.items()
            for row in _measure(machine, command, work, models, targets)
        ]
        if arm:
            portable = {
                name: argument
                for name, argument in models.items()
                if name in ("onnxruntime-fp32", "onnxruntime-int8")
            }
            for pi in ("pi3", "pi4", "pi5"):
                command = [*shlex.split(arm), pi, str(work / "child.py")]
                rows += _measure(f"{pi} (emulated)", command, work, portable, targets)
    search = load_bundle(bundle).spec.provenance["search"]
    write_result(
        "int8_cpus",
        {
            "run": run.name,
            "chosen_rungs": {variant: found["chosen"] for variant, found in search.items()},
            "num_images": len(photos),
            "rows": _compare(rows, targets),
        },
    )


def _unpack(bundle: Bundle, work: Path) -> dict[str, str]:
    """Return the child's argument for each variant but the rounded ones: Haswell has none."""
    models = {}
    for variant in bundle.spec.variants:
        if find_precision(variant).made != "rounded":
            files = [work / file for file in variant.files]
            for file, data in zip(files, bundle.model_files(variant.name), strict=True):
                file.write_bytes(data)
            models[variant.name] = ",".join([variant.name, *map(str, files)])
    return models


def _build_by_bits(bundle: Bundle, calibration: Pixels, work: Path) -> dict[str, str]:
    """Quantize again without distillation, with weights of 8 bits and with those that are safe."""
    import onnx

    graph = onnx.load_model_from_string(bundle.model_files("onnxruntime-fp32")[0])
    quantizer = Quantizer(calibrate(graph, calibration), calibration)
    models = {}
    for title, limit in (("8-bit weights", WEIGHT_LIMIT), ("safe weights", SAFE_WEIGHT_LIMIT)):
        (file,) = quantizer.make(_INT8.engine, Recipe("stem in float", 2), weight_limit=limit)
        path = work / f"limit{limit}.onnx"
        path.write_bytes(file)
        models[f"onnxruntime-int8, {title}, not distilled"] = f"{_INT8.name},{path}"
    return models


def _measure(
    machine: str, command: list[str], work: Path, models: dict[str, str], targets: metrics.Indices
) -> list[dict[str, Any]]:
    out = work / "out.npz"
    out.unlink(missing_ok=True)
    arguments = [*command, str(work / "photos.npy"), str(out), *models.values()]
    environment = os.environ | {"PYTHONPATH": str(_PROJECT)}
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise click.ClickException(f"{machine}: {done.stderr[-2000:]}")
    counts = read_counts(done.stderr)
    answers = np.load(out)
    click.echo(f"{machine}: {len(models)} models, {len(targets)} photos")
    return [
        {
            "machine": machine,
            "model": name,
            "logits": answers[argument],
            "instructions_per_image": counts[2 * i + 1] / 3 if counts else None,
        }
        for i, (name, argument) in enumerate(models.items())
    ]


def _compare(rows: list[dict[str, Any]], targets: metrics.Indices) -> list[dict[str, Any]]:
    """Put scores in the place of answers."""
    native = {row["model"]: row["logits"] for row in rows if row["machine"] == "this one"}
    floats = native["onnxruntime-fp32"]
    compared = []
    for row in rows:
        logits = row.pop("logits")
        here = compare_accuracy(native[row["model"]], logits, targets)
        compared.append(
            row
            | {
                "top1_ratio": here.top1_ratio,
                "drop_to_this_machine_pp": here.drop_pp,
                "agreement_with_this_machine_ratio": here.agreement_ratio,
                "logit_gap_to_this_machine": float(np.abs(native[row["model"]] - logits).max()),
                "agreement_with_fp32_ratio": metrics.agreement_ratio(floats, logits),
            }
        )
    return compared


if __name__ == "__main__":
    main()
