"""The command `edgecat compare`."""

import dataclasses
from pathlib import Path

import click

from edgecat.cli.main import COMMANDS
from edgecat.cli.options import NumberRange
from edgecat.cli.output import escape, print_json
from edgecat.errors import ConfigError, RegressError


class _Percent(click.ParamType[float]):
    """A share as people write it, "5%" or "5": 0.05."""

    name = "percent"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the share, from 0."""
        try:
            share = float(str(value).strip().removesuffix("%")) / 100
        except ValueError:
            share = -1.0
        if not 0 <= share < float("inf"):
            self.fail(f"{value!r} is no percentage from 0, such as 5%", param, ctx)
        return share


@click.command("compare", short_help=COMMANDS["compare"])
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
@click.option(
    "--max-regress",
    "max_regress_ratio",
    type=_Percent(),
    metavar="PERCENT",
    help="Fail where a variant is slower by more than this, and surely slower.",
)
@click.option(
    "--max-drop",
    "max_drop_pp",
    type=NumberRange(0, 100),
    metavar="PP",
    help="Fail where a variant loses more top-1 than this, percentage points.",
)
@click.option(
    "--anyway", is_flag=True, help="Compare different machines or settings, or noisy results, too."
)
@click.option("--markdown", "as_markdown", is_flag=True, help="Print it for a pull request.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def command(
    before: Path,
    after: Path,
    max_regress_ratio: float | None,
    max_drop_pp: float | None,
    anyway: bool,
    as_markdown: bool,
    as_json: bool,
) -> None:
    """Say what is faster, slower, better or worse in a later benchmark than in an earlier one.

    BEFORE and AFTER are what 'edgecat benchmark --json FILE' wrote, on the same machine and with
    the same settings; results that are too noisy are refused. Faster or slower is only what the
    95 % interval says; better or worse is counted on the same photos. With a limit that is broken,
    or a variant that is gone while limits are given, the exit code is 22.

    \b
      edgecat benchmark first.edgecat --data photos --json before.json
      edgecat benchmark second.edgecat --data photos --json after.json
      edgecat compare before.json after.json --max-regress 5% --max-drop 0.5
      edgecat compare before.json after.json --markdown >> "$GITHUB_STEP_SUMMARY"
    """
    from edgecat.bench.compare import Limits, compare_reports
    from edgecat.bench.comparison import format_comparison, format_markdown
    from edgecat.bench.results import load_report

    if as_markdown and as_json:
        raise ConfigError("--markdown and --json: the output is one of them; give one")
    limits = Limits(max_regress_ratio, max_drop_pp)
    found = compare_reports(load_report(before), load_report(after), limits, anyway=anyway)
    if as_json:
        print_json(dataclasses.asdict(found))
    elif as_markdown:
        click.echo(escape(format_markdown(found)))
    else:
        click.echo(escape(format_comparison(found)))
    if found.failures:
        raise RegressError(
            f"worse than allowed: {'; '.join(found.failures)}; look for the cause, or allow more "
            "with --max-regress and --max-drop"
        )
