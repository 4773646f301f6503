"""What benchmarks of `edgecat optimize` are asked for: a search of each run."""

import functools
from collections.abc import Callable
from pathlib import Path

import click

from edgecat.optimize.job import SPEEDUPS, SearchJob

SEARCH = "search"


def search_options(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command take RUN0 RUN1 ... and a work folder; it is given the search of each run.

    Further options of the command are handed on to it.

    That of the first run lies in `0/search` of the work folder, and so on; what is compared with
    it may lie beside it.
    """

    @click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
    @click.option("--work", required=True, type=click.Path(path_type=Path), help="To work in.")
    @click.option("--epochs", type=int, help="That each network learns; default: as the run.")
    @click.option("--speedup", "speedups", multiple=True, type=float, default=SPEEDUPS)
    @click.option("--variant", default="onnxruntime-fp32", show_default=True)
    @click.option("--rounds", default=200, show_default=True, help="Timed photos of each network.")
    @functools.wraps(command)
    def search(
        runs: tuple[Path, ...],
        work: Path,
        epochs: int | None,
        speedups: tuple[float, ...],
        variant: str,
        rounds: int,
        **more: object,
    ) -> None:
        command(
            [
                SearchJob(
                    run, work / str(seed) / SEARCH, speedups,
                    epochs=epochs, variant=variant, rounds=rounds,
                )
                for seed, run in enumerate(runs)
            ],
            **more,
        )  # fmt: skip

    return search
