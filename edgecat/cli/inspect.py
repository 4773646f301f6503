"""The command `edgecat inspect`."""

import dataclasses
from pathlib import Path
from typing import Any

import click

from edgecat.cli.main import COMMANDS
from edgecat.cli.options import allow_older_option, signer_option
from edgecat.cli.output import percent, print_json
from edgecat.errors import BundleError


@click.command("inspect", short_help=COMMANDS["inspect"])
@click.argument("bundle")
@signer_option
@allow_older_option
@click.option("--json", "as_json", is_flag=True, help="Print the manifest as JSON.")
def command(bundle: str, signer: Path | None, allow_older: bool, as_json: bool) -> None:
    """Show what is in a bundle and where it is from; every file's SHA-256 is checked.

    BUNDLE is a folder that 'edgecat export' wrote, or the name of a released model (cats12).
    """
    from edgecat.bundle.provenance import format_values
    from edgecat.bundle.store import load_bundle
    from edgecat.bundle.verdict import describe_worth
    from edgecat.scores.metrics import describe_small_classes, describe_top1
    from edgecat.scores.ood import KEPT_RATIO

    loaded = load_bundle(bundle, signer=signer, allow_older=allow_older)
    spec = loaded.spec
    if as_json:
        print_json(dataclasses.asdict(spec))
        return
    click.echo(f"{spec.name}: {spec.arch}, {len(spec.labels)} classes: {', '.join(spec.labels)}")
    side_px = spec.input.side_px
    click.echo(f"takes {spec.input.dtype} [N, {side_px}, {side_px}, 3] {spec.input.colour}")
    if spec.ood is not None:
        click.echo(f"calls other things unknown; keeps {percent(KEPT_RATIO)} of known ones")
    for variant in spec.variants:
        size_mb = spec.size_bytes(variant) / 1e6
        click.echo(f"\n{variant.name}  {size_mb:.2f} MB  {', '.join(variant.files)}")
        if score := variant.score:
            num_right = round(score.top1_ratio * score.num_images)
            low, high = score.drop_interval_pp
            click.echo(f"  {score.split} top-1 {describe_top1(num_right, score.num_images)}")
            if score.macro_f1_ratio is not None:
                click.echo(f"  macro F1 {percent(score.macro_f1_ratio)}")
            click.echo(
                f"  drop {score.drop_pp:+.1f} pp (95 % interval {low:+.1f} to {high:+.1f}), same "
                f"answer as the checkpoint on {percent(score.agreement_ratio)}, McNemar p "
                f"{score.mcnemar_p:.2f}, calibration error "
                f"{percent(score.reference_calibration_error_ratio)} -> "
                f"{percent(score.calibration_error_ratio)}"
            )
            for label, flips in score.flips.items():
                click.echo(f"    {label}: {flips.num_lost} lost, {flips.num_gained} gained")
            for label, one in score.per_class.items():
                click.echo(f"    {label}: recall {percent(one.recall_ratio)} of {one.num_images}")
            counts = {label: one.num_images for label, one in score.per_class.items()}
            if warning := describe_small_classes(counts):
                click.echo(f"  {warning}")
        worth = describe_worth(variant.verdict, variant.instruction_ratios, spec.reference)
        if worth:
            click.echo(f"  verdict: {worth}")
        for line in _describe_steps(spec.provenance, variant.name):
            click.echo(f"  step: {line}")
    click.echo("\nprovenance")
    told = {name: value for name, value in spec.provenance.items() if name != "search"}
    for line in format_values(told, "  "):
        click.echo(line)
    click.echo(f"\nall {len(spec.files)} files have the SHA-256 of the manifest")
    if spec.release is not None:
        click.echo(spec.release.describe())
    if signer is not None:
        click.echo(f"signed by the owner of {signer}")
    elif loaded.signature is not None:
        click.echo("signed; by whom, tells --require-signature PUBLIC.pem")
    else:
        click.echo("not signed")


def _describe_steps(provenance: dict[str, Any], variant: str) -> list[str]:
    try:
        return [
            f"{step['recipe']['title']}: validation drop {step['change']['drop_pp']:+.1f} pp, "
            f"same answer on {percent(step['change']['agreement_ratio'])}, "
            f"{step['latency_ratio']:.2f}x float, {step['duration_s']:.0f} s"
            for step in provenance.get("search", {}).get(variant, {}).get("steps", [])
        ]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        # Provenance is free in form, so nobody has checked it yet.
        raise BundleError(
            f"provenance: 'search' is not what 'edgecat export --int8' writes ({error!r}); export "
            "the bundle again"
        ) from error
