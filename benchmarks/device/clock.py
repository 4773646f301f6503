"""Does `edgecat benchmark` measure what the engines' own tools measure, and the same each time?

python -m benchmarks.device.clock BUNDLE

OpenVINO's own tool is benchmark_app; ONNX Runtime's (onnxruntime_perf_test) is in no package, so a
loop as plain as its stands for it. All with one thread, one photo at a time, in turns: edgecat, the
tools, edgecat, ... A ratio is edgecat's p50 by the tool's of the same turn: of a model while all
variants of the bundle take turns, as `edgecat benchmark` has it, and of a model that is measured
alone, as the tool's is. edgecat counts until Python has the answer, benchmark_app only what
OpenVINO takes.
"""

import json
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click

from benchmarks.command import EDGECAT
from benchmarks.results import write_result
from edgecat.bench.effort import NUM_ROUNDS
from edgecat.bench.openings import NUM_OPENINGS, time_openings
from edgecat.bench.run import ONE_THREAD, prepare
from edgecat.bundle.store import Bundle, load_bundle
from edgecat.runtime.apart import run_apart

# What is to be reached.
_TARGETS = {"p50_ratio": 1.05, "spread_ratio": 0.04}

_TOOL_S = 5

_LOOP = """
import sys, time
from statistics import median
import numpy as np
import onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1], options)
(given,) = session.get_inputs()
name, shape = given.name, [1, *given.shape[1:]]
photo = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
times_s, end = [], time.perf_counter() + float(sys.argv[2])
while time.perf_counter() < end:
    started = time.perf_counter()
    session.run(None, {name: photo})
    times_s.append(time.perf_counter() - started)
print(f"Median: {1e3 * median(times_s)} ms")
"""


def ask_benchmark_app(files: list[Path]) -> list[str]:
    """Return the command that measures the OpenVINO model of these files."""
    app = str(Path(sys.executable).with_name("benchmark_app"))
    return [
        app, "-m", str(files[0]), "-d", "CPU", "-hint", "none", "-nthreads", "1", "-nstreams", "1",
        "-api", "sync", "-infer_precision", "f32", "-shape", "[1,224,224,3]", "-t", str(_TOOL_S),
    ]  # fmt: skip


def ask_loop(files: list[Path]) -> list[str]:
    """Return the command that measures the ONNX model of these files."""
    return [sys.executable, "-c", _LOOP, str(files[0]), str(_TOOL_S)]


#: By variant, the tool of its engine.
TOOLS: dict[str, Callable[[list[Path]], list[str]]] = {
    "onnxruntime-fp32": ask_loop,
    "openvino-fp32": ask_benchmark_app,
}


@click.command()
@click.argument("bundle")
@click.option("--turns", default=5, show_default=True)
def main(bundle: str, turns: int) -> None:
    """Measure BUNDLE with edgecat and with the engines' own tools, in turns."""
    with tempfile.TemporaryDirectory() as folder:
        opened = load_bundle(bundle)
        commands = {
            variant: ask(write_files(opened, variant, Path(folder)))
            for variant, ask in TOOLS.items()
        }
        rows = [measure(bundle, commands) for _ in range(turns)]
    names = [name for name, ratio in rows[0]["to_fp32"].items() if ratio is not None]
    result = {
        "turns": rows,
        "p50_ratio": _list_ratios(rows, "p50_ms"),
        "alone_ratio": _list_ratios(rows, "alone_ms"),
        "spread_ratio": {
            name: max(values) / min(values) - 1
            for name in names
            for values in [[row["to_fp32"][name] for row in rows]]
        },
        "targets": _TARGETS,
    }
    click.echo(json.dumps(result, indent=1))
    write_result("clock", result)


def write_files(bundle: Bundle, variant: str, folder: Path) -> list[Path]:
    """Write a variant's files as its engine takes them, the graph first."""
    names = [name.removesuffix(".gz") for name in bundle.spec.variant(variant).files]
    for name, data in zip(names, bundle.model_files(variant), strict=True):
        (folder / name).write_bytes(data)
    return [folder / name for name in names]


def measure(bundle: str, commands: dict[str, list[str]]) -> dict[str, Any]:
    """Return each tool's p50 and edgecat's, and each variant's time by its fp32's."""
    said = _run([EDGECAT, "benchmark", bundle, "--json", "-"])
    rows = {row["variant"]: row for row in json.loads(said)["rows"]}
    return {
        "tool_ms": {name: _read_median_ms(_run(command)) for name, command in commands.items()},
        "alone_ms": {
            name: run_apart(name, partial(time_alone_ms, bundle, name)) for name in commands
        },
        "p50_ms": {name: rows[name]["latency_ms"]["p50"] for name in commands},
        "to_fp32": {name: row["ratio_to_fp32"] for name, row in rows.items()},
    }


def time_alone_ms(bundle: str, variant: str) -> float:
    """Return the p50 of a variant by edgecat's clock, while no other one is open."""
    models = {variant: prepare(load_bundle(bundle), variant, ONE_THREAD)}
    times = time_openings(models, NUM_ROUNDS // NUM_OPENINGS)
    return statistics.median(times.photos_ms[variant])


def _list_ratios(rows: list[dict[str, Any]], key: str) -> dict[str, list[float]]:
    """Return, by variant, edgecat's p50 by the tool's in each turn, the least first."""
    return {name: sorted(row[key][name] / row["tool_ms"][name] for row in rows) for name in TOOLS}


def _run(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _read_median_ms(said: str) -> float:
    found = re.search(r"Median:\s+([\d.]+) ms", said)
    if found is None:
        raise click.ClickException(f"no median in: {said[-500:]}")
    return float(found[1])


if __name__ == "__main__":
    main()
