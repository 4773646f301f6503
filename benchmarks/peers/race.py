"""Is there, for every peer's default, a variant of edgecat as accurate and not slower?

python -m benchmarks.peers.race ../shared/cats --run runs/seed0 --bundle runs/seed0.edgecat

Each peer is installed into an environment of its own, below --work, and given the run's weights and
the same pixels. All of edgecat's variants, ONNX Runtime as it comes and one peer take turns, each
in a process of its own, by one clock. What was measured stays in --work: a race that was ended goes
on where it stopped, and a peer that could not be had is tried again.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from benchmarks.peers.material import Material
from benchmarks.peers.measure import Field, measure_answers, measure_speed, open_field
from benchmarks.peers.peer import UnavailableError, list_peers
from benchmarks.peers.prepare import prepare_material
from benchmarks.peers.process import Entrant, slug
from benchmarks.peers.table import format_peers
from benchmarks.peers.verdict import OURS
from benchmarks.results import write_result
from edgecat import atomic
from edgecat.bench.host import describe_host

#: Its time is 1.
REFERENCE = "onnxruntime/default"

_THREADS = (1, 2)


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--run", type=click.Path(path_type=Path), required=True)
@click.option("--bundle", type=click.Path(path_type=Path), required=True)
@click.option("--work", type=click.Path(path_type=Path), default=Path("runs/peers"))
@click.option(
    "--only",
    multiple=True,
    help="A trial: peers whose names begin so, beside edgecat and the reference; printed, not kept "
    "as a result. May be given several times.",
)
def main(data: Path, run: Path, bundle: Path, work: Path, only: list[str]) -> None:
    """Measure all peers and write the result."""
    work = work.resolve()
    material = prepare_material(run, bundle, data, work / "material")
    entrants = [Entrant(name, peer, material, work) for name, peer in list_peers().items()]
    if only:
        entrants = [one for one in entrants if one.name.startswith((OURS, REFERENCE, *only))]
    rows = {entrant.name: _recall(entrant) or _try_answers(entrant) for entrant in entrants}
    running = [one for one in entrants if "missing" not in rows[one.name]]
    for threads in _THREADS:
        _race(running, rows, threads)
    result = _describe(material, rows)
    if only:
        click.echo(format_peers({"host": describe_host()} | result))
    else:
        write_result("peers", result)


def _describe(material: Material, rows: dict[str, dict[str, Any]]) -> dict[str, Any]:
    facts = material.facts
    return {
        "weights_sha256": facts["weights_sha256"],
        "arch": facts["arch"],
        "num_photos": facts["num_photos"],
        "num_calibration": len(material.load_calibration()),
        "reference": REFERENCE,
        "rows": [{"name": name} | row for name, row in rows.items()],
    }


def _try_answers(entrant: Entrant) -> dict[str, Any]:
    """Return a peer's row, as far as it needs nobody beside it, or why there is none."""
    click.echo(f"{entrant.name}: installing, making, answering")
    try:
        entrant.make()
        row = measure_answers(entrant) | {"threads": {}}
    except UnavailableError as error:
        click.echo(f"{entrant.name}: missing: {error}")
        return {"missing": str(error)}
    _keep(entrant, row)
    return row


def _race(entrants: list[Entrant], rows: dict[str, dict[str, Any]], threads: int) -> None:
    """Put the speed with a number of threads into the rows that lack it."""
    key = str(threads)
    lacking = [one for one in entrants if "ratio" not in rows[one.name]["threads"].get(key, {})]
    if not lacking:
        return
    fixed = [one for one in entrants if one.name == REFERENCE]
    fixed += [one for one in entrants if one.name.startswith(OURS)]
    with open_field(fixed, threads) as field:
        for entrant, speed in _measure_each(field, lacking):
            rows[entrant.name]["threads"][key] = speed
            _keep(entrant, rows[entrant.name])


def _measure_each(
    field: Field, entrants: list[Entrant]
) -> Iterator[tuple[Entrant, dict[str, Any]]]:
    for entrant in entrants:
        try:
            speed = measure_speed(field, entrant)
        except UnavailableError as error:
            speed = {"missing": str(error)}
        click.echo(f"{entrant.name}, {field.threads} threads: {speed.get('ratio', speed)}")
        yield entrant, speed


def _recall(entrant: Entrant) -> dict[str, Any] | None:
    path = _row_file(entrant)
    return json.loads(path.read_text()) if path.exists() else None


def _keep(entrant: Entrant, row: dict[str, Any]) -> None:
    _row_file(entrant).parent.mkdir(exist_ok=True)
    atomic.write_text(_row_file(entrant), json.dumps(row, indent=1) + "\n")


def _row_file(entrant: Entrant) -> Path:
    return entrant.work / "rows" / f"{slug(entrant.name)}.json"


if __name__ == "__main__":
    main()
