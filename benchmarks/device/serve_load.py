"""`edgecat serve cats12` under load: is every answer right, is any lost, does memory stay put?

python -m benchmarks.device.serve_load PHOTOS    a folder, with sub-folders or without

Two clients send without a pause, over loopback. Of the requests 1 % are garbage and 1 % are cut off
half-way; each answer is compared with what the library says of the same photo.
"""

import io
import itertools
import json
import multiprocessing
import random
import subprocess
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import click

from benchmarks.device.serving import Client, Request, get, rss_mb, run_all, server
from benchmarks.results import write_result
from edgecat.bench.clock import percentiles
from edgecat.photos.decode import open_photo
from edgecat.runtime.classifier import Classifier
from edgecat.serve.server import choose_threads

_NUM_REQUESTS = 20_000
_NUM_CLIENTS = 2
_NUM_PHOTOS = 200
_SIDE_PX = 320  # small photos, so that it is the server that is measured, not the JPEG decoder
_WINDOW = 1_000
_NUM_WARMUP = 2 * _WINDOW
_GARBAGE_RATIO = _CUT_OFF_RATIO = 0.01
_CONTROL_S = 10

_MAX_RSS_GROWTH_MB = 5
_MAX_P99_TO_P50 = 5


def shrink(path: Path) -> bytes:
    """Return a photo as a small JPEG."""
    image = open_photo(path)
    image.thumbnail((_SIDE_PX, _SIDE_PX))
    data = io.BytesIO()
    image.save(data, "JPEG", quality=85)
    return data.getvalue()


def plan(photos: list[bytes], variant: str, threads: int) -> list[Request]:
    """Return all requests, seeded, with the library's answers."""
    rng = random.Random(0)
    with Classifier.open("cats12", variant, threads=threads) as classifier:
        answers = []
        for photo in photos:
            answer = json.loads(json.dumps(classifier.predict(photo).to_dict()))
            del answer["stage_ms"]
            answers.append(answer | {"bundle": "cats12", "variant": variant})
    requests = []
    for _ in range(_NUM_REQUESTS):
        number, dice = rng.randrange(len(photos)), rng.random()
        if dice < _GARBAGE_RATIO:
            garbage = rng.choice(
                [rng.randbytes(5_000), photos[number][: len(photos[number]) // 2], b"<html>", b""]
            )
            requests.append(Request("garbage", garbage, None))
        elif dice < _GARBAGE_RATIO + _CUT_OFF_RATIO:
            requests.append(Request("cut off", photos[number], None))
        else:
            requests.append(Request("photo", photos[number], answers[number]))
    return requests


def time_fixed_work(_: int) -> list[float]:
    """Return how long the same additions take over and over, in ms, for `_CONTROL_S`."""
    times_ms = []
    end = time.perf_counter() + _CONTROL_S
    while (started := time.perf_counter()) < end:
        sum(range(200_000))
        times_ms.append(1e3 * (time.perf_counter() - started))
    return times_ms


def measure_control() -> dict[str, float]:
    """Return percentiles of work without any server, in as many processes as there are clients.

    Where its p99 is far above its p50, the machine is shared with others, and the tail of any
    latency measured beside it is theirs.
    """
    with multiprocessing.get_context("spawn").Pool(_NUM_CLIENTS) as pool:
        times_ms = pool.map(time_fixed_work, range(_NUM_CLIENTS))
    return percentiles(list(itertools.chain.from_iterable(times_ms)))


def summarize(requests: list[Request]) -> dict[str, float]:
    """Return percentiles of the latency, in ms."""
    return percentiles([item.latency_ms for item in requests if item.latency_ms is not None])


class Watcher:
    """Notes what the clients have done, and the server's memory at each window's end."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        """Watch a server from now on."""
        self.done: list[Request] = []
        self.windows: list[dict[str, float]] = []
        self._process = process
        self._lock = threading.Lock()

    def note(self, request: Request) -> None:
        """Note a request that is done; called by all clients."""
        with self._lock:
            self.done.append(request)
            if len(self.done) % _WINDOW == 0:
                window = {"rss_mb": rss_mb(self._process)} | summarize(self.done[-_WINDOW:])
                self.windows.append(window)
                print(len(self.done), {name: round(value, 2) for name, value in window.items()})

    def describe(self) -> dict[str, Any]:
        """Return what came of all requests; latencies without those of the warm-up."""
        measured = self.done[_NUM_WARMUP:]
        latency_ms = summarize(measured)
        memory_mb = [window["rss_mb"] for window in self.windows]
        return {
            "outcomes": dict(Counter(f"{item.kind}: {item.outcome}" for item in self.done)),
            "num_wrong": sum(item.outcome == "wrong" for item in self.done),
            "num_lost": sum(item.outcome == "lost" for item in self.done),
            "latency_ms": latency_ms,
            "p99_to_p50": latency_ms["p99"] / latency_ms["p50"],
            "stage_ms": {
                name: percentiles([item.stage_ms[name] for item in measured if item.stage_ms])
                for name in ("pixels", "model", "scores")
            },
            "rss_growth_mb": memory_mb[-1] - memory_mb[_NUM_WARMUP // _WINDOW - 1],
            "windows": self.windows,
        }


def list_misses(result: dict[str, Any]) -> list[str]:
    """Return the targets that were missed."""
    reached = {
        "wrong answers": result["num_wrong"] == 0,
        "lost requests": result["num_lost"] == 0,
        "memory": result["rss_growth_mb"] <= _MAX_RSS_GROWTH_MB,
        "p99 to p50": result["p99_to_p50"] <= _MAX_P99_TO_P50,
        "end": result["exit_code"] == 0,
    }
    return [name for name, is_reached in reached.items() if not is_reached]


@click.command()
@click.argument("folder", type=click.Path(exists=True, path_type=Path))
def main(folder: Path) -> None:
    """Load the server; exit with 1 if a target is missed."""
    paths = sorted(folder.rglob("*.jpg"))
    photos = [shrink(path) for path in random.Random(0).sample(paths, _NUM_PHOTOS)]
    control_ms = [measure_control()]
    with server() as (process, port):
        variant = json.loads(get(port, "/healthz"))["variant"]
        watcher = Watcher(process)
        requests = plan(photos, variant, choose_threads())
        shares = [requests[number::_NUM_CLIENTS] for number in range(_NUM_CLIENTS)]
        duration_s = run_all([Client(port, share, watcher.note) for share in shares])
        metrics = [
            line
            for line in get(port, "/metrics").splitlines()
            if line.startswith(("edgecat_requests_total", "edgecat_refused_total"))
        ]
    control_ms.append(measure_control())
    result = {
        "num_requests": _NUM_REQUESTS,
        "num_clients": _NUM_CLIENTS,
        "variant": variant,
        "photo_bytes": sum(map(len, photos)) / len(photos),
        "duration_s": duration_s,
        "exit_code": process.returncode,
        "control_ms": control_ms,
        "server_metrics": metrics,
    } | watcher.describe()
    print(json.dumps({name: result[name] for name in result if name != "windows"}, indent=1))
    write_result("serve_load", result)
    if misses := list_misses(result):
        raise click.ClickException(f"missed: {', '.join(misses)}")


if __name__ == "__main__":
    main()
