"""What a process with a model takes: time to the first answer, memory, and what options change.

python -m benchmarks.engines.memory PHOTO.jpg cats12 runs/seed0.edgecat

Every run is a fresh process; the options take turns (A B C A B C ...). Times are without Python's
imports. "idle" is processor time per photo of a device that answers one and then waits.
"""

import dataclasses
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

# Of issue C: `onnxruntime-int8` of cats12, on x86.
_TARGETS = {"open_and_first_ms": 250, "peak_rss_bytes": 120_000_000}
_TARGET_ROW = ("onnxruntime-int8", "as it is")


@dataclasses.dataclass(frozen=True)
class Option:
    """How a variant is opened; `session` goes into ONNX Runtime's SessionOptions."""

    threads: int | None = None
    power_save: bool = False
    session: dict[str, bool] = dataclasses.field(default_factory=dict)


_OPTIONS = {"as it is": Option(), "power save": Option(power_save=True)}
# With one thread, so that nothing but memory makes a difference.
_MEMORY_OPTIONS = {
    "one thread": Option(1),
    "one thread, no arena": Option(1, session={"enable_cpu_mem_arena": False}),
    "one thread, no pattern": Option(1, session={"enable_mem_pattern": False}),
    "one thread, neither": Option(
        1, session={"enable_cpu_mem_arena": False, "enable_mem_pattern": False}
    ),
}

_CHILD = """
import importlib, json, statistics, sys, time
import numpy as np
from edgecat.machine.memory import peak_rss_bytes
from edgecat.runtime.classifier import Classifier
from edgecat.runtime.engines import onnxruntime as engines

photo, bundle, variant, option = sys.argv[1:]
option = json.loads(option)
importlib.import_module(variant.split("-")[0])

class Tried(engines.OnnxRuntimeEngine):
    def _open(self, options):
        for name, value in option["session"].items():
            setattr(options, name, value)
        return super()._open(options)

engines.OnnxRuntimeEngine = Tried
imported_bytes = peak_rss_bytes()
started = time.perf_counter()
classifier = Classifier.open(
    bundle, variant, threads=option["threads"], power_save=option["power_save"]
)
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
    cases = [
        (variant, name)
        for variant in places
        for name in (_OPTIONS | _MEMORY_OPTIONS if "onnxruntime" in variant else _OPTIONS)
    ]
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
    reached = next(r["median"] for r in rows if (r["variant"], r["option"]) == _TARGET_ROW)
    targets = {
        key: {"target": limit, "measured": reached[key], "reached": reached[key] <= limit}
        for key, limit in _TARGETS.items()
    }
    print(json.dumps(targets, indent=1))
    write_result("memory", {"num_rounds": _NUM_ROUNDS, "targets": targets, "rows": rows})


def _run(photo: Path, bundle: str, variant: str, name: str) -> dict[str, float]:
    option = json.dumps(dataclasses.asdict((_OPTIONS | _MEMORY_OPTIONS)[name]))
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, str(photo), bundle, variant, option],
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
