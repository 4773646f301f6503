"""With how many workers and threads a server answers most photos of 2 clients.

python -m benchmarks.device.serve_workers PHOTOS    a folder, with sub-folders or without

No HTTP: only the threads that `edgecat serve` would use. All choices are measured in turns, so that
what else the machine does hits all of them alike.
"""

import itertools
import random
import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click

from benchmarks.device.serving import run_all
from benchmarks.results import write_result
from edgecat.bench.clock import percentiles
from edgecat.runtime.classifier import Classifier

_NUM_CLIENTS = 2
_NUM_ROUNDS = 7
_NUM_PHOTOS = 100  # of each client, in each round
_WORKERS = (1, 2, 3)
_THREADS = (1, 2)


def measure(classifier: Classifier, num_workers: int, photos: list[bytes]) -> dict[str, float]:
    """Return answers a second and percentiles of their latency in ms."""
    times_ms: list[float] = []

    def ask() -> None:
        for photo in photos:
            started = time.perf_counter()
            workers.submit(classifier.predict, photo).result()
            times_ms.append(1e3 * (time.perf_counter() - started))

    with ThreadPoolExecutor(num_workers) as workers:
        duration_s = run_all([threading.Thread(target=ask) for _ in range(_NUM_CLIENTS)])
    return {"answers_per_s": len(times_ms) / duration_s} | percentiles(times_ms)


@click.command()
@click.argument("folder", type=click.Path(exists=True, path_type=Path))
def main(folder: Path) -> None:
    """Measure each choice, in turns."""
    paths = random.Random(0).sample(sorted(folder.rglob("*.jpg")), _NUM_PHOTOS)
    photos = [path.read_bytes() for path in paths]
    choices = list(itertools.product(_WORKERS, _THREADS))
    rounds: dict[str, list[dict[str, float]]] = {}
    classifiers = {
        threads: Classifier.open("cats12", "onnxruntime-int8", threads=threads)
        for threads in _THREADS
    }
    for _ in range(1 + _NUM_ROUNDS):
        for num_workers, threads in choices:
            name = f"{num_workers} workers, {threads} threads"
            rounds.setdefault(name, []).append(measure(classifiers[threads], num_workers, photos))
    medians = {
        name: {key: statistics.median(item[key] for item in items[1:]) for key in items[0]}
        for name, items in rounds.items()
    }
    for name, values in medians.items():
        print(name, {key: round(value, 1) for key, value in values.items()})
    write_result(
        "serve_workers",
        {"num_clients": _NUM_CLIENTS, "median": medians, "rounds_with_warmup": rounds},
    )


if __name__ == "__main__":
    main()
