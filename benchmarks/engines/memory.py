"""What a process with a model takes: time to the first answer and memory, also with less power.

python -m benchmarks.engines.memory PHOTO.jpg cats12 runs/seed0.edgecat

Every run is a fresh process; the options take turns (A B C A B C ...). Times are without Python's
imports. "idle" is processor time per photo of a device that answers one and then waits.
"""

import itertools
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import click

from benchmarks.results import write_result
from edgecat.bundle.store import load_bundle
from edgecat.runtime.engine import runs_here

_NUM_ROUNDS = 5

# What is to be reached, on x86, as it is.
_TARGETS = {
    "onnxruntime-int8": {"open_and_first_ms": 250, "peak_rss_bytes": 120_000_000},
    "ncnn-fp32": {"open_and_first_ms": 60, "peak_rss_bytes": 60_000_000},
}

# Whether idle threads sleep.
_OPTIONS = {"as it is": False, "power save": True}

_CHILD = """
import importlib, json, statistics, sys, time
import numpy as np
from edgecat.machine.memory import peak_rss_bytes
from edgecat.runtime.classifier import Classifier

photo, bundle, variant, power_save = sys.argv[1:]
importlib.import_module(variant.split("-")[0])
imported_bytes = peak_rss_bytes()
started = time.perf_counter()
classifier = Classifier.open(bundle, variant, power_save=bool(power_save))
opened = time.perf_counter()
classifier.predict(photo)
answered = time.perf_counter()
peak_bytes = peak_rss_bytes()

batch = np.random.default_rng(0).integers(0, 256, (1, 224, 224, 3), dtype=np.uint8)
times_ms = []
for _ in range(300):
    begun = time.perf_counter()
    classifier.compute_logits(batch)
    times_ms.append(1e3 * (time.perf_counter() - begun))

used = time.process_time()
for _ in range(10):
    classifier.compute_logits(batch)
    time.sleep(0.1)
used = time.process_time() - used
print(json.dumps({
    "open_ms": 1e3 * (opened - started),
    "open_and_first_ms": 1e3 * (answered - started),
    "imported_rss_bytes": imported_bytes,
    "peak_rss_bytes": peak_bytes,
    "peak_rss_after_300_bytes": peak_rss_bytes(),
    "p50_ms": statistics.median(times_ms),
    "idle_cpu_ms": 100 * used,
}))
"""


@click.command()
@click.argument("photo", type=click.Path(exists=True, path_type=Path))
@click.argument("bundles", nargs=-1, required=True)
def main(photo: Path, bundles: tuple[str, ...]) -> None:
    """Measure each variant, in the first of BUNDLES that has it, under each option."""
    places: dict[str, str] = {}
    for bundle in bundles:
        for variant in filter(runs_here, load_bundle(bundle).spec.variants):
            places.setdefault(variant.name, bundle)
    cases = list(itertools.product(places, _OPTIONS))
    runs: dict[tuple[str, str], list[dict[str, float]]] = {case: [] for case in cases}
    for number in range(_NUM_ROUNDS):
        for variant, name in cases:
            runs[variant, name].append(_run(photo, places[variant], variant, name))
        print(f"round {number + 1} of {_NUM_ROUNDS}")
    rows = [
        {
            "bundle": load_bundle(places[variant]).spec.name,
            "variant": variant,
            "option": name,
            "median": {key: statistics.median(run[key] for run in measured) for key in measured[0]},
            "runs": measured,
        }
        for (variant, name), measured in runs.items()
    ]
    for row in rows:
        _print(row)
    targets = {
        row["variant"]: {
            key: {"target": limit, "measured": row["median"][key]}
            for key, limit in _TARGETS[row["variant"]].items()
        }
        for row in rows
        if row["variant"] in _TARGETS and row["option"] == "as it is"
    }
    print(json.dumps(targets, indent=1))
    write_result("memory", {"num_rounds": _NUM_ROUNDS, "targets": targets, "rows": rows})


def _run(photo: Path, bundle: str, variant: str, name: str) -> dict[str, float]:
    power_save = "yes" if _OPTIONS[name] else ""
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, str(photo), bundle, variant, power_save],
        capture_output=True,
        text=True,
        check=True,
    )
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def _print(row: dict[str, Any]) -> None:
    found = row["median"]
    print(
        f"{row['bundle']:<8} {row['variant']:<17} {row['option']:<23} "
        f"first answer {found['open_and_first_ms']:5.0f} ms, "
        f"peak {found['peak_rss_bytes'] / 1e6:5.1f} MB, "
        f"after 300 {found['peak_rss_after_300_bytes'] / 1e6:5.1f} MB, "
        f"p50 {found['p50_ms']:.2f} ms, idle {found['idle_cpu_ms']:.1f} ms"
    )


if __name__ == "__main__":
    main()
