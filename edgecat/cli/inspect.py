"""The command `edgecat inspect`."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgecat.cli.main import COMMANDS
from edgecat.cli.options import allow_older_option, signer_option
from edgecat.cli.output import percent, print_json
from edgecat.errors import BundleError

if TYPE_CHECKING:
    from edgecat.bundle.manifest import ModelSpec
    from edgecat.bundle.score import Score

# What a person asks first of where a model is from; all else has its place in the JSON.
_ORIGIN = ("licence", "weights", "num_photos", "enrolled")

# Classes whose recall is told.
_MAX_RECALLS = 3


@click.command("inspect", short_help=COMMANDS["inspect"])
@click.argument("bundle")
@signer_option
@allow_older_option
@click.option("--json", "as_json", is_flag=True, help="Print the manifest as JSON: all there is.")
def command(bundle: str, signer: Path | None, allow_older: bool, as_json: bool) -> None:
    """Show what is in a bundle and where it is from; every file's SHA-256 is checked.

    BUNDLE is a folder that 'edgecat export' wrote, or the name of a released model (cats12).
    """
    from edgecat.bundle.store import load_bundle

    loaded = load_bundle(bundle, signer=signer, allow_older=allow_older)
    spec = loaded.spec
    if as_json:
        print_json(dataclasses.asdict(spec))
        return
    click.echo("\n".join(_describe(spec)))
    click.echo(f"\nall {len(spec.files)} files have the SHA-256 of the manifest")
    if spec.release is not None:
        click.echo(spec.release.describe())
    if signer is not None:
        click.echo(f"signed by the owner of {signer}")
    elif loaded.signature is not None:
        click.echo("signed; by whom, tells --require-signature PUBLIC.pem")
    else:
        click.echo("not signed")


def _describe(spec: "ModelSpec") -> Iterator[str]:
    from edgecat.bundle.provenance import format_values
    from edgecat.bundle.verdict import describe_worth
    from edgecat.scores.metrics import describe_small_classes
    from edgecat.scores.ood import KEPT_RATIO

    yield f"{spec.name}: {spec.arch}, {len(spec.labels)} classes: {', '.join(spec.labels)}"
    side_px = spec.input.side_px
    yield f"takes {spec.input.dtype} [N, {side_px}, {side_px}, 3] {spec.input.colour}"
    if spec.ood is not None:
        yield f"calls other things unknown; keeps {percent(KEPT_RATIO)} of known ones"
    warnings = {}
    for variant in spec.variants:
        size_mb = spec.size_bytes(variant) / 1e6
        yield f"\n{variant.name}  {size_mb:.2f} MB  {', '.join(variant.files)}"
        if variant.score is not None:
            yield from _describe_score(variant.score)
            counts = {label: one.num_images for label, one in variant.score.per_class.items()}
            warnings[describe_small_classes(counts)] = True
        worth = describe_worth(variant.verdict, variant.instruction_ratios, spec.reference)
        if worth:
            yield f"  verdict: {worth}"
        for line in _describe_steps(spec.provenance, variant.name):
            yield f"  step: {line}"
    yield from (f"\n{warning}" for warning in warnings if warning)
    yield "\nprovenance"
    told = {name: spec.provenance[name] for name in _ORIGIN if name in spec.provenance}
    yield from format_values(told, "  ")
    if others := [name for name in spec.provenance if name not in _ORIGIN]:
        yield f"  with --json: {', '.join(others)}"


def _describe_score(score: "Score") -> Iterator[str]:
    from edgecat.scores.class_score import describe_recalls
    from edgecat.scores.metrics import describe_top1

    num_right = round(score.top1_ratio * score.num_images)
    low, high = score.drop_interval_pp
    f1_ratio = score.macro_f1_ratio
    macro_f1 = "" if f1_ratio is None else f", macro F1 {percent(f1_ratio)}"
    yield f"  {score.split} top-1 {describe_top1(num_right, score.num_images)}{macro_f1}"
    if score.per_class:
        recalls = describe_recalls(score.per_class, most=_MAX_RECALLS, rest="with --json")
        yield f"  recall, lowest first: {recalls}"
    yield (
        f"  drop {score.drop_pp:+.1f} pp (95 % interval {low:+.1f} to {high:+.1f}), same "
        f"answer as the checkpoint on {percent(score.agreement_ratio)}, McNemar p "
        f"{score.mcnemar_p:.2f}, calibration error "
        f"{percent(score.reference_calibration_error_ratio)} -> "
        f"{percent(score.calibration_error_ratio)}"
    )


def _describe_steps(provenance: dict[str, Any], variant: str) -> list[str]:
    try:
        search = provenance.get("search", {}).get(variant, {})
        chosen = search.get("chosen")
        return [
            f"{step['recipe']['title']}: validation drop {step['change']['drop_pp']:+.1f} pp, "
            f"same answer on {percent(step['change']['agreement_ratio'])}, "
            f"{step['latency_ratio']:.2f}x float, {step['duration_s']:.0f} s"
            f"{' (kept)' if step['recipe']['title'] == chosen else ''}"
            for step in search.get("steps", [])
        ]
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        # Provenance is free in form, so nobody has checked it yet.
        raise BundleError(
            f"provenance: 'search' is not what 'edgecat export --int8' writes ({error!r}); export "
            "the bundle again"
        ) from error
