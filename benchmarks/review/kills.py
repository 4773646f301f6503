"""Kill `edgecat review` while somebody decides, again and again, and count what is lost.

python -m benchmarks.review.kills

Decisions are posted one after the other, as a page does, and taken back now and then. Each that
was answered must stand in the file, once and in order; one that a kill left without an answer may.
"""

import contextlib
import dataclasses
import http.client
import json
import random
import re
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import click

from benchmarks.results import write_result
from benchmarks.review.photos import LABELS, keep_drawings
from edgecat.keep.decisions import read_decisions
from edgecat.keep.kept import DECISIONS

REVIEW = [sys.executable, "-m", "edgecat", "review", "--port", "0"]

_NUM_PHOTOS = 200
_UNDO_RATIO = 0.2
_TIMEOUT_S = 60

# A kill comes so long after the first answer at most: before, between and after many decisions.
_LATEST_S = 0.6


@dataclasses.dataclass
class Tally:
    """What was posted.

    Attributes:
        answered: Decisions that were answered: SHA-256, kind, label.
        num_torn: Kills after which the file ended within a line.
    """

    answered: list[tuple[str, str, str | None]] = dataclasses.field(default_factory=list)
    num_torn: int = 0


@contextlib.contextmanager
def running(folder: Path) -> Any:
    """Yield a process that serves the review of a folder, and its port."""
    command = [*REVIEW, str(folder)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            for line in process.stderr:
                if found := re.search(r"http://127\.0\.0\.1:(\d+)/", line):
                    yield process, int(found[1])
                    return
            raise RuntimeError(f"edgecat review ended with {process.wait()}")
        finally:
            process.kill()


def decide_until_killed(
    port: int, rng: random.Random, tally: Tally, killer: threading.Timer
) -> None:
    """Post decisions, each with the photo that the answer before named, until nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_S)
    with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
        found = ask(connection, "GET", "/v1/review")
        killer.start()
        while True:
            asked = choose(found, rng)
            found = ask(connection, "POST", "/v1/decisions", asked)
            sha256 = asked["sha256"] or found["next"][0]["sha256"]
            tally.answered.append((sha256, asked["kind"], asked.get("label")))


def choose(found: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    """Return what a person decides: mostly a label, sometimes to take the last one back."""
    if not found["next"] or (found["num_decided"] and rng.random() < _UNDO_RATIO):
        return {"kind": "undo", "sha256": ""}
    sha256 = found["next"][0]["sha256"]
    return {"kind": "label", "sha256": sha256, "label": rng.choice(LABELS)}


def ask(
    connection: http.client.HTTPConnection, method: str, path: str, body: Any = None
) -> dict[str, Any]:
    """Return what the server answers."""
    data = None if body is None else json.dumps(body)
    connection.request(method, path, data, {"Content-Type": "application/json"})
    response = connection.getresponse()
    found: dict[str, Any] = json.loads(response.read())
    if response.status != http.HTTPStatus.OK:
        raise RuntimeError(f"{response.status}: {found}")
    return found


def kill_again_and_again(folder: Path, num_kills: int, seed: int) -> dict[str, Any]:
    """Kill a review so many times while decisions are posted, and say what became of them.

    Args:
        folder: Of kept photos.
        num_kills: How often.
        seed: Of decisions and moments.
    """
    rng, tally, file = random.Random(seed), Tally(), folder / DECISIONS
    for _ in range(num_kills):
        with running(folder) as (process, port):
            killer = threading.Timer(rng.uniform(0, _LATEST_S), process.kill)
            decide_until_killed(port, rng, tally, killer)
            killer.join()
        tally.num_torn += bool(read_decisions(file).torn)
    with running(folder):
        pass  # it opens what the last kill left
    written = [(d.sha256, d.kind, d.label) for d in read_decisions(file).decisions]
    lost = find_lost(tally.answered, written)
    return {
        "num_kills": num_kills,
        "num_answered": len(tally.answered),
        "num_lost": len(lost),
        "num_written_unanswered": len(written) - len(tally.answered) + len(lost),
        "num_torn": tally.num_torn,
    }


def find_lost(answered: list[Any], written: list[Any]) -> list[Any]:
    """Return the decisions that were answered and do not stand in the file in their order."""
    rest = iter(written)
    return [decision for decision in answered if decision not in rest]


@click.command()
@click.option("--kills", "num_kills", default=100, show_default=True)
@click.option("--seed", default=0, show_default=True)
def main(num_kills: int, seed: int) -> None:
    """Kill, count, write down."""
    with tempfile.TemporaryDirectory() as top:
        folder = Path(top) / "kept"
        keep_drawings(folder, _NUM_PHOTOS, (64, 48))
        values = {"seed": seed} | kill_again_and_again(folder, num_kills, seed)
    print(json.dumps(values, indent=1))
    write_result("review_kills", values)


if __name__ == "__main__":
    main()
