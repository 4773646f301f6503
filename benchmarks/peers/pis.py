"""How many instructions do peers take on emulated Raspberry Pis, and what do they answer there?

python -m benchmarks.peers.pis --arm "python tests/emulated/pi.py"

After `benchmarks.peers.race`, whose models it takes from --work. COMMAND is called as
`COMMAND --pin REQUIREMENT ... pi4 -m benchmarks.peers.child ...` and prints "ICOUNT n" at each call
of os.getppid(), as in `benchmarks.int8.int8_cpus`. Instructions are no milliseconds: they leave out
caches and memory. Rows that lie in --work since a run that was stopped are taken from there.
"""

import json
import os
import shlex
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.engines.emulated import read_counts
from benchmarks.peers.child import NUM_COUNTED
from benchmarks.peers.environments import PROJECT, REQUIREMENTS
from benchmarks.peers.material import Material
from benchmarks.peers.peer import list_peers
from benchmarks.peers.pis_table import PIS, format_pis
from benchmarks.peers.process import Entrant, describe_end, slug
from benchmarks.peers.race import REFERENCE
from benchmarks.results import write_result
from edgecat import atomic
from edgecat.scores import metrics

# The environments that have wheels for aarch64; edgecat's own are what the command brings itself.
_PEERS, _OURS = ("onnxruntime", "ncnn", "litert"), ("edgecat-onnxruntime", "edgecat-ncnn")


@click.command()
@click.option("--work", type=click.Path(path_type=Path), default=Path("runs/peers"))
@click.option("--arm", required=True, help="Runs aarch64 Python; see above.")
@click.option("--photos", "num_photos", default=24, show_default=True)
@click.option("--only", default="", help="A trial: names that begin so; printed, not kept.")
def main(work: Path, arm: str, num_photos: int, only: str) -> None:
    """Count instructions and compare answers."""
    work = work.resolve()
    material = Material(work / "material")
    entrants = [Entrant(name, peer, material, work) for name, peer in list_peers().items()]
    entrants = [
        one
        for one in entrants
        if one.peer.runs_in in (*_PEERS, *_OURS)
        and one.made.exists()
        and one.name.startswith((REFERENCE, only))
    ]
    rows = []
    for pi in PIS:
        for entrant in entrants:
            row = {"machine": pi, "name": entrant.name} | _recall(entrant, arm, pi, num_photos)
            click.echo(row)
            rows.append(row)
    result = {"reference": REFERENCE, "num_photos": num_photos, "rows": _compare(rows)}
    if only:
        click.echo(format_pis(result))
    else:
        write_result("peers_pis", result)


def _recall(entrant: Entrant, arm: str, pi: str, num_photos: int) -> dict[str, Any]:
    """Return what was counted here before, or count it now; a row that is missing is tried anew."""
    kept = entrant.work / "pis" / f"{num_photos}-photos" / pi / f"{slug(entrant.name)}.json"
    if kept.exists():
        return dict(json.loads(kept.read_text()))
    row = _count(entrant, arm, pi, num_photos)
    if "missing" not in row:
        kept.parent.mkdir(parents=True, exist_ok=True)
        atomic.write_text(kept, json.dumps(row))
    return row


def _count(entrant: Entrant, arm: str, pi: str, num_photos: int) -> dict[str, Any]:
    """Return instructions and agreement with the checkpoint, or why there are none."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "logits.npy"
        child = ("count", entrant.name, entrant.material.folder, entrant.made, num_photos, out)
        command = [
            *shlex.split(arm), *_list_pins(entrant), pi,
            *("-m", "benchmarks.peers.child"), *map(str, child),
        ]  # fmt: skip
        environment = os.environ | {"PYTHONPATH": str(PROJECT)}
        done = subprocess.run(
            command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False
        )
        counts = read_counts(done.stderr)
        if done.returncode or not counts:
            return {"missing": describe_end(done.returncode, done.stderr)}
        logits = np.load(out)
    expected = entrant.material.load_answers()[1]
    expected = expected[:: max(1, len(expected) // num_photos)][:num_photos]
    return {
        "instructions_per_image": counts[1] / NUM_COUNTED,
        "agreement_ratio": metrics.agreement_ratio(expected, logits),
    }


def _list_pins(entrant: Entrant) -> Sequence[str]:
    if entrant.peer.runs_in in _OURS:
        return []
    pins = (REQUIREMENTS / f"{entrant.peer.runs_in}.txt").read_text().split()
    return [word for pin in pins for word in ("--pin", pin)]


def _compare(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows with their instructions by those of the reference on the same machine."""
    references = {
        row["machine"]: row["instructions_per_image"] for row in rows if row["name"] == REFERENCE
    }
    return [
        row
        if "missing" in row
        else row | {"ratio": row["instructions_per_image"] / references[row["machine"]]}
        for row in rows
    ]


if __name__ == "__main__":
    main()
