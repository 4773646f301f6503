"""What is ncnn worth on Raspberry Pis, in instructions and in answers?

python -m benchmarks.engines.ncnn_pis ../shared/cats --arm "python tests/emulated/pi.py"

The weights of cats12, written for ncnn, answer photos beside ONNX Runtime on emulated processors,
in edgecat's own runtime. COMMAND is called as in `benchmarks.int8.int8_cpus`. Instructions are no
milliseconds: they leave out caches and memory. The answers are compared with those of the float
model on this machine; those of fp16 with the imitation, too, by which an export proves it.

Last, fresh processes on this machine open the model and answer a photo: their processor time, which
another process's load does not change much, and their largest memory.
"""

import dataclasses
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.engines.emulated import answer_apart
from benchmarks.engines.ncnn_bundle import make_bundle
from benchmarks.results import write_result
from edgecat.bundle.store import load_bundle
from edgecat.export.ncnn_half import HalfEngine
from edgecat.photos.folder import find_photos
from edgecat.photos.pixels import Pixels, load_batch
from edgecat.scores import metrics
from edgecat.scores.metrics import Logits

_PROJECT = Path(__file__).parents[2]
_PIS = ("pi3", "pi4", "pi5")

# Fresh processes whose start is measured.
_NUM_STARTS = 7

# Opened in fresh processes, here.
_STARTED = ("ncnn-fp32", "onnxruntime-fp32", "onnxruntime-int8")

# The share of the instructions of ONNX Runtime's fp32 that the best variant is to reach.
_TARGETS = {"pi3": 0.46, "pi4": 0.30, "pi5": 0.17}

# Opens a variant and answers a photo, as a device does when it starts.
_START = """
import importlib, json, sys, time
from edgecat.machine.memory import peak_rss_bytes
from edgecat.runtime.classifier import Classifier
bundle, variant, photo = sys.argv[1:]
importlib.import_module(variant.split("-")[0])
started, used = time.perf_counter(), time.process_time()
with Classifier.open(bundle, variant, threads=1) as classifier:
    classifier.predict(photo)
    ms = 1e3 * (time.perf_counter() - started), 1e3 * (time.process_time() - used)
print(json.dumps({"first_answer_ms": ms[0], "cpu_ms": ms[1], "peak_rss_bytes": peak_rss_bytes()}))
"""


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--arm", help="Runs aarch64 Python; see above.")
@click.option("--photos", "num_photos", default=480, show_default=True)
@click.option("--few", default=24, show_default=True, help="Photos of all but the fastest.")
def main(data: Path, arm: str | None, num_photos: int, few: int) -> None:
    """Count instructions, compare answers, measure starts."""
    paths = [photo.path for photo in find_photos(data)]
    paths = paths[:: max(1, len(paths) // num_photos)][:num_photos]
    photos = load_batch(paths)
    with tempfile.TemporaryDirectory() as folder:
        bundle, here = make_bundle(Path(folder) / "bundle"), [sys.executable]
        expected = _answer(here, bundle, "onnxruntime-fp32", photos)["logits"]
        rows = [_answer(here, bundle, "ncnn-fp32", photos) | {"machine": "this one"}]
        for pi in _PIS if arm else ():
            for variant in (variant.name for variant in load_bundle(bundle).spec.variants):
                given = photos if variant == "ncnn-fp16" else photos[:few]
                row = _answer([*shlex.split(arm or ""), pi], bundle, variant, given)
                if row:
                    rows.append(row | {"machine": f"{pi} (emulated)"})
                    click.echo(f"{pi} {variant}: {row['instructions_per_image']:,.0f}")
        imitated = _imitate(bundle, photos)
        starts = {name: _start(bundle, name, paths[0]) for name in _STARTED}
    write_result(
        "ncnn_pis",
        {
            "num_images": len(photos),
            "targets": _TARGETS,
            "rows": [_compare(row, rows, expected, imitated) for row in rows],
            "imitation": {"agreement_ratio": metrics.agreement_ratio(expected, imitated)},
            "starts": starts,
        },
    )


def _answer(python: list[str], bundle: Path, variant: str, photos: Pixels) -> dict[str, Any]:
    """Return a variant's answers and instructions on a machine; {} where it does not run."""
    answered = answer_apart(python, bundle, variant, photos)
    return {"variant": variant} | dataclasses.asdict(answered) if answered else {}


def _imitate(bundle: Path, photos: Pixels) -> Logits:
    opened = load_bundle(bundle)
    variant = opened.spec.variant("ncnn-fp16")
    return HalfEngine(variant, opened.model_files(variant.name)).run(photos)


def _compare(
    row: dict[str, Any], rows: list[dict[str, Any]], expected: Logits, imitated: Logits
) -> dict[str, Any]:
    """Put scores in the place of answers."""
    logits = row["logits"]
    wanted = expected[: len(logits)]
    compared = {name: value for name, value in row.items() if name != "logits"} | {
        "num_images": len(logits),
        "agreement_ratio": metrics.agreement_ratio(wanted, logits),
        "logit_gap": float(np.abs(wanted - logits).max()),
    }
    if row["instructions_per_image"]:
        (floats,) = (
            other["instructions_per_image"]
            for other in rows
            if (other["machine"], other["variant"]) == (row["machine"], "onnxruntime-fp32")
        )
        compared["ratio_to_fp32"] = row["instructions_per_image"] / floats
    if row["variant"] == "ncnn-fp16":
        compared["logit_gap_to_imitation"] = float(np.abs(imitated[: len(logits)] - logits).max())
    return compared


def _start(bundle: Path, variant: str, photo: Path) -> dict[str, float]:
    """Return the medians of fresh processes."""
    command = [sys.executable, "-c", _START, str(bundle), variant, str(photo)]
    environment = os.environ | {"PYTHONPATH": str(_PROJECT)}
    runs = [
        json.loads(subprocess.run(command, env=environment, capture_output=True, check=True).stdout)
        for _ in range(_NUM_STARTS)
    ]
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


if __name__ == "__main__":
    main()
