"""The few numbers that matter most."""

from collections.abc import Iterator

from edgecat.bench.report import Report, Row
from edgecat.bundle.manifest import ModelSpec
from edgecat.progress import describe_count
from edgecat.report.facts import Facts, Model
from edgecat.report.parts import Missing, Section, Tally, Text
from edgecat.report.wording import megabytes, milliseconds, points, share, times
from edgecat.runtime.device import name_on
from edgecat.scores.metrics import describe_small_classes

# Labels that the first lines name; the others stand further down.
_MAX_NAMED = 20


def build(facts: Facts) -> Section | Missing:
    """Return what a reader in a hurry needs."""
    numbers = tuple(_list_numbers(facts))
    tally = (Tally(numbers),) if numbers else ()
    texts = [Text(text) for text in _describe(facts)]
    return Section("glance", "At a glance", "", (*tally, *texts))


def _list_numbers(facts: Facts) -> Iterator[tuple[str, str, str]]:
    model = facts.model
    accuracy = model.accuracy if model else None
    if accuracy is not None:
        yield (
            "Top-1 right",
            share(accuracy.top1_ratio, accuracy.interval_ratio),
            f"95 % interval (measured); {accuracy.photos}",
        )
        if accuracy.macro_f1_ratio is not None:
            basis = f"each class of the same weight; n = {accuracy.num_images}, no interval"
            yield "Macro F1", share(accuracy.macro_f1_ratio), basis
    if facts.sources.bundle is not None:
        yield from _list_of_bundle(facts.sources.bundle.spec)
    for report in facts.sources.results:
        is_peer = model is not None and report.settings.get("bundle") != model.name
        if report.rows and not is_peer and report.noise.verdict != "too noisy":
            yield _find_fastest(report)


def _list_of_bundle(spec: ModelSpec) -> Iterator[tuple[str, str, str]]:
    smallest = min(spec.variants, key=spec.size_bytes)
    score = smallest.score
    basis = smallest.name
    if score is not None and smallest.name != spec.reference:
        basis += f"; loses {points(score.drop_pp, score.drop_interval_pp)} of top-1"
    yield "Smallest variant", megabytes(spec.size_bytes(smallest)), basis


def _find_fastest(report: Report) -> tuple[str, str, str]:
    """Return the fastest variant of one run.

    Of an engine's variants their paired ratios say which is the fastest, not their own medians: the
    ratio is of rounds that took turns. Between engines nothing is paired but the run itself.
    """
    of_engine: dict[str, list[Row]] = {}
    for row in report.rows:
        of_engine.setdefault(row.variant.partition("-")[0], []).append(row)
    best = [min(rows, key=lambda row: row.ratio_to_fp32 or 1.0) for rows in of_engine.values()]
    fastest = min(best, key=lambda row: row.latency_ms["p50"])
    by_fp32 = ""
    if fastest.ratio_to_fp32 is not None and fastest.ratio_interval is not None:
        by_fp32 = f", {times(fastest.ratio_to_fp32, fastest.ratio_interval)} its fp32's latency"
    return (
        "Fastest variant",
        milliseconds(fastest.latency_ms["p50"], fastest.latency_interval_ms),
        f"{name_on(fastest.variant, fastest.device)} of "
        f"{report.settings.get('bundle', 'unnamed')} on "
        f"{report.host.get('cpu', 'an unknown machine')}, "
        f"{describe_count(fastest.threads, 'thread')}{by_fp32}; a photo already decoded, median",
    )


def _describe(facts: Facts) -> Iterator[str]:
    if facts.model is not None:
        yield _describe_model(facts.model)
        accuracy = facts.model.accuracy
        if accuracy is not None:
            counts = {label: one.num_images for label, one in accuracy.per_class.items()}
            if warning := describe_small_classes(counts):
                yield warning
    if facts.answers is not None and facts.answers.num_seen:
        yield (
            f"CAREFUL: the model was trained on {facts.answers.num_seen} of the photos that it "
            "answered for this report, so it is no measure of what it does with new ones."
        )
    if facts.sources.run is not None and facts.sources.run.record.outcome is None:
        yield (
            "This run has not finished, so its test photos have not been looked at. Go on with it: "
            "edgecat finetune ... --resume"
        )
    for report in facts.sources.results:
        if report.noise.verdict != "quiet":
            measured = report.settings.get("bundle", "a result")
            yield f"Times of {measured} are {report.noise.describe()}."


def _describe_model(model: Model) -> str:
    named = ", ".join(model.labels[:_MAX_NAMED])
    more = f" and {len(model.labels) - _MAX_NAMED} more" if len(model.labels) > _MAX_NAMED else ""
    return f"{model.arch}, which tells {len(model.labels)} classes apart: {named}{more}."
