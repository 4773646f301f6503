"""The command `edgecat doctor`."""

import dataclasses
from pathlib import Path

import click

from edgecat.cli.main import COMMANDS
from edgecat.cli.options import allow_older_option, signer_option
from edgecat.cli.output import escape, print_json
from edgecat.errors import DeviceError


@click.command("doctor", short_help=COMMANDS["doctor"])
@click.argument("bundle", required=False)
@signer_option
@allow_older_option
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def command(bundle: str | None, signer: Path | None, allow_older: bool, as_json: bool) -> None:
    """Say whether this machine is fit to run models, and how to mend what is not.

    Each line is ok, a warning (it works, but could work better) or a problem. With BUNDLE, a
    folder or the name of a released model (cats12), every variant that opens here answers the
    golden photos in it: pixels and logits must be those of the machine that exported it. With a
    problem, the exit code is 15.

    \b
      edgecat doctor
      edgecat doctor first.edgecat
      edgecat doctor first.edgecat --json
    """
    from edgecat.doctor.examine import examine

    findings = []
    for finding in examine(bundle, signer=signer, allow_older=allow_older):
        findings.append(finding)
        if not as_json:
            click.echo(escape(finding.describe()))
    if as_json:
        print_json({"findings": [dataclasses.asdict(finding) for finding in findings]})
    num_problems = sum(finding.status == "problem" for finding in findings)
    if num_problems:
        raise DeviceError(f"problems: {num_problems}; their lines say how to mend them")
