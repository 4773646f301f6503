"""The command `edgecat export`."""

from pathlib import Path

import click

from edgecat.cli.main import COMMANDS
from edgecat.cli.output import TerminalProgress


@click.command("export", short_help=COMMANDS["export"])
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Bundle to make or replace."
)
@click.option("--int8", is_flag=True, help="Add INT8 variants for ONNX Runtime and OpenVINO.")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="Where the run's photos are now, if they were moved.",
)
def command(run: Path, out: Path, int8: bool, data: Path | None) -> None:
    """Turn a finished run into a bundle that a device can run.

    The bundle takes uint8 photos: scaling, mean and std are inside the graph. Before it is
    written, each float model must answer 64 of the run's photos as the checkpoint does, and each
    INT8 model must keep its accuracy on the test photos; one that does not is left out, and the
    command fails.

    \b
      edgecat export runs/first --out first.edgecat --int8
    """
    from edgecat.export.build import export_run

    spec = export_run(run, out, int8=int8, data=data, progress=TerminalProgress())
    size_bytes = sum(record.size_bytes for record in spec.files.values())
    names = ", ".join(variant.name for variant in spec.variants)
    click.echo(f"{out}: {names} ({size_bytes / 1e6:.1f} MB)")
    click.echo(f"next: edgecat benchmark {out}")
