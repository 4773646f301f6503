"""Export the runs of finetune_cats.py with INT8; write accuracy, latency and size of each.

python -m benchmarks.int8.export_cats ../shared/cats --work runs

A bundle that is there is measured again, not made again. Latency is measured with one thread, all
variants in turn, among them the graph as torch's exporter writes it (`plain-torch-export`), so that
what the graph passes gain can be seen.
"""

import dataclasses
from pathlib import Path

import click

from benchmarks.results import write_result
from edgecat.bench.clock import median_ratio, percentiles
from edgecat.bench.latency import measure_latencies_ms
from edgecat.bench.run import run_benchmark
from edgecat.bundle.store import load_bundle
from edgecat.cli.output import TerminalProgress
from edgecat.errors import AccuracyLost
from edgecat.export.job import export_run
from edgecat.export.to_onnx import export_onnx
from edgecat.runtime.choice import open_engine
from edgecat.runtime.engine import open_graph
from edgecat.train.finished import load_checkpoint

_NUM_ROUNDS, _NUM_WARMUP = 400, 40


def measure_passes(run: Path, bundle: Path) -> dict[str, object]:
    """Return latencies of the plain export and of the bundle's fp32, one thread, interleaved."""
    network = load_checkpoint(run).network
    plain = export_onnx(network).SerializeToString()
    engines = {
        "plain-torch-export": open_graph(plain, threads=1),
        "onnxruntime-fp32": open_engine(load_bundle(bundle), "onnxruntime-fp32", threads=1),
    }
    times = measure_latencies_ms(engines, network.input, _NUM_ROUNDS, _NUM_WARMUP)
    return {
        "latency_ms": {name: percentiles(values) for name, values in times.items()},
        "ratio": median_ratio(times["onnxruntime-fp32"], times["plain-torch-export"]),
    }


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--work", type=click.Path(path_type=Path), default="runs", show_default=True)
def main(data: Path, work: Path) -> None:
    """Export every run in --work and measure it."""
    rows = []
    for run in sorted(work.glob("seed?")):
        bundle = work / f"{run.name}.edgecat"
        refused = None
        try:
            if not bundle.exists():
                export_run(run, bundle, int8=True, data=data, progress=TerminalProgress())
        except AccuracyLost as error:
            refused = str(error).replace(str(bundle), bundle.name)
            click.echo(refused, err=True)
        spec = load_bundle(bundle).spec
        report = run_benchmark(bundle, data=data, progress=TerminalProgress())
        rows.append(
            {
                "run": run.name,
                "scores": {v.name: dataclasses.asdict(v.score) for v in spec.variants if v.score},
                "search": spec.provenance["search"],
                "refused": refused,
                "passes": measure_passes(run, bundle),
                "benchmark": report.to_dict(),
            }
        )
    write_result("export_cats", {"rows": rows})


if __name__ == "__main__":
    main()
