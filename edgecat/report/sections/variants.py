"""The models of a bundle: what each loses, and where it is worth running."""

from edgecat.bundle.manifest import ModelSpec, Variant
from edgecat.bundle.verdict import describe_worth
from edgecat.report.facts import Facts
from edgecat.report.parts import Missing, Section, Table
from edgecat.report.wording import megabytes, points, share


def build(facts: Facts) -> Section | Missing:
    """Return the table of variants."""
    bundle = facts.sources.bundle
    if bundle is None:
        return Missing("Variants and verdicts", "a bundle: edgecat export RUN --out BUNDLE --int8")
    table = Table(
        "Variants, each against the checkpoint that it was made from",
        ("Variant", "Size", "Top-1", "Top-1 lost", "Same answer", "Known by", "Worth running"),
        tuple(_row(bundle.spec, variant) for variant in bundle.spec.variants),
    )
    lead = (
        "Each share is an estimate: its 95 % interval comes first, what was measured stands in "
        "brackets. A verdict is measured where a clock ran, and a rule where only instructions "
        "were counted."
    )
    return Section("variants", "Variants and verdicts", lead, (table,))


def _row(spec: ModelSpec, variant: Variant) -> tuple[str, ...]:
    score = variant.score
    worth = describe_worth(variant.verdict, variant.instruction_ratios, spec.reference)
    if score is None:
        scores = ("not measured", "not measured", "not measured")
    else:
        scores = (
            f"{share(score.top1_ratio, score.top1_interval_ratio)} of {score.num_images}",
            points(score.drop_pp, score.drop_interval_pp),
            share(score.agreement_ratio),
        )
    return (
        variant.name, megabytes(spec.size_bytes(variant)), *scores, _basis(variant),
        worth or "nobody has measured",
    )  # fmt: skip


def _basis(variant: Variant) -> str:
    if variant.verdict is not None:
        return "measured"
    return "rule" if variant.instruction_ratios else "not known"
