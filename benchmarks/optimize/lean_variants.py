"""What do the networks that `edgecat optimize` chose cost and save, in each engine and precision?

python -m benchmarks.optimize.lean_variants RUN0 RUN1 RUN2 --work FOLDER --epochs 30

Goes on with the searches that lie in FOLDER, or makes them: of each run (one a seed) that run and
the networks of its search are exported with int8, and their variants are timed in turns
with the run's network, as `edgecat optimize --export` does. With --edit a network that nobody
searched for takes part, as a control. Here they answer the run's test photos, which chose nothing,
and are compared with what the run's own network answers. All that learned take part, also those
that another one beats: to leave them out would be a choice by luck.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from statistics import mean
from typing import Any

import click

from benchmarks.optimize.searches import search_options
from benchmarks.pooled import answer_split, compare_pooled
from benchmarks.results import write_result
from edgecat.bench.run import ONE_THREAD, open_all
from edgecat.bundle.store import load_bundle
from edgecat.cli.output import TerminalProgress
from edgecat.export.photos import RunPhotos
from edgecat.optimize.candidate import Candidate, Candidates
from edgecat.optimize.found import FrontWriter, load_variants
from edgecat.optimize.front import Front
from edgecat.optimize.job import PARENT, PLAN, RECORD, SAVINGS, SearchJob, SearchRecord
from edgecat.optimize.judge import open_judge
from edgecat.optimize.kept import load_kept, save_kept
from edgecat.optimize.learn import is_learned, make_job
from edgecat.optimize.plan import open_gauge
from edgecat.optimize.savings import Savings
from edgecat.optimize.search import optimize
from edgecat.optimize.variants import export_front, measure_variants
from edgecat.progress import Progress
from edgecat.scores.answers import Answers
from edgecat.scores.metrics import Logits
from edgecat.train.finetune import finetune
from edgecat.train.finished import Checkpoint, load_checkpoint

# What is to be reached, of the time of the network as it is, by one that loses at most so much.
_TARGETS = {
    "drop_pp": 1.0,
    "ratio_to_same_variant": {
        "onnxruntime-fp32": 0.42, "openvino-fp32": 0.46, "openvino-bf16": 0.46,
    },
}  # fmt: skip

CONTROL = "by-hand"


@dataclasses.dataclass(frozen=True)
class Asked:
    """A network in a variant, timed and asked.

    Attributes:
        edits: Of the run's network.
        latency_ratio: Its time by that of the run's network in the variant of the search.
        ratio_to_same_variant: The same, by that of the run's network in its own variant.
        reference: What the run's network answers to the test photos.
        logits: What this one answers, float32 `[N, K]`.
    """

    edits: tuple[str, ...]
    latency_ratio: float
    ratio_to_same_variant: float
    reference: Answers
    logits: Logits


def add_control(
    job: SearchJob, parent: Checkpoint, edits: tuple[str, ...], progress: Progress
) -> None:
    """Let a network with these edits learn, and put it among those of a search."""
    known = load_kept(Candidates, job.out / PLAN)
    if CONTROL not in known.networks:
        gauge = open_gauge(job, parent, load_kept(Savings, job.out / SAVINGS), progress)
        saving, cost = gauge.time(edits), gauge.cost(edits)
        assert saving is not None  # the search is this machine's
        ratio, at_once_nats = saving.ratio, cost.divergence_nats
        control = Candidate(CONTROL, edits, ratio, ratio, at_once_nats, cost, saving)
        save_kept(Candidates(known.networks | {CONTROL: control}, known.left_out), job.out / PLAN)
    run = make_job(job, parent, CONTROL, edits)
    if not is_learned(run.run, run.arch):
        finetune(run, progress)


def export_all(
    job: SearchJob, parent: Checkpoint, edits: tuple[str, ...], progress: Progress
) -> Front:
    """Export all networks of a search that have learned, and time their variants."""
    optimize(job, progress)
    if edits:
        add_control(job, parent, edits, progress)
    judge = open_judge(parent, job.data)
    savings = load_kept(Savings, job.out / SAVINGS)
    writer = FrontWriter(job, savings, judge)
    learned = writer.build_networks()
    rows = tuple(dataclasses.replace(row, is_on_front=True) for row in learned.rows)
    everything = dataclasses.replace(learned, rows=rows)
    names = export_front(job, everything, judge.data, progress)
    measure_variants(job, savings, judge, names, progress)
    if not load_variants(job).networks:
        raise SystemExit(f"{job.out}: no variant was timed; what was said above is why")
    return writer.write()


def ask_exports(
    job: SearchJob, edits: tuple[str, ...], progress: Progress
) -> dict[tuple[str, str], Asked]:
    """Export the networks of a search, and ask them the test photos in every variant.

    Returns:
        By network and variant.
    """
    parent = load_checkpoint(job.run)
    front = export_all(job, parent, edits, progress)
    times = {(row.name, row.variant): row.latency_ratio for row in front.rows}
    edits_of = {row.name: row.edits for row in front.rows}
    reference = answer_split(parent, "test", progress)
    asked: dict[tuple[str, str], Asked] = {}
    for name in edits_of:
        if not job.bundle_of(name).exists():  # the export failed, and said why
            continue
        for variant, logits in ask_bundle(job.bundle_of(name), parent, progress).items():
            ratio = times[name, variant]
            same_ratio = ratio / times[PARENT, variant]
            asked[name, variant] = Asked(edits_of[name], ratio, same_ratio, reference, logits)
    return asked


def ask_bundle(folder: Path, parent: Checkpoint, progress: Progress) -> dict[str, Logits]:
    """Return what the variants of an export answer to a run's test photos, at its own size."""
    bundle, record = load_bundle(folder), parent.record
    photos = RunPhotos(parent.split, Path(record.data), bundle.spec.input, progress)
    with open_all(bundle, ONE_THREAD) as (engines, _):
        models = [engine.run for engine in engines.values()]
        found = photos.answers("test", record.labels, models)
    return dict(zip(engines, found.logits, strict=True))


def pool(seeds: Iterable[Mapping[tuple[str, str], Asked]]) -> Iterator[dict[str, Any]]:
    """Yield what each network and variant of all seeds together costs and saves."""
    pooled: dict[tuple[str, str], list[Asked]] = {}
    for asked in seeds:
        for key, one in asked.items():
            pooled.setdefault(key, []).append(one)
    for (name, variant), ones in sorted(pooled.items()):
        change = compare_pooled([one.reference for one in ones], [one.logits for one in ones])
        yield {
            "network": name,
            "variant": variant,
            "edits_of_seeds": [one.edits for one in ones],
            "latency_ratio": mean(one.latency_ratio for one in ones),
            "ratio_to_same_variant": mean(one.ratio_to_same_variant for one in ones),
            "num_images": change.num_images,
            "top1_ratio": change.top1_ratio,
            "drop_pp": change.drop_pp,
            "drop_interval_pp": change.drop_interval_pp,
            "agreement_ratio": change.agreement_ratio,
        }


@click.command()
@click.option("--edit", "edits", multiple=True, help="Of the control.")
@search_options
def main(searches: list[SearchJob], edits: tuple[str, ...]) -> None:
    """Export the networks of all searches, time and ask them."""
    progress = TerminalProgress()
    rows = list(pool([ask_exports(job, edits, progress) for job in searches]))
    first = searches[0]
    epochs = load_kept(SearchRecord, first.out / RECORD).epochs
    write_result(
        f"lean_variants_{first.variant}_{epochs}_epochs",
        {
            "epochs": epochs,
            "variant": first.variant,
            "seeds": len(searches),
            "rows": rows,
            "targets": _TARGETS,
        },
    )


if __name__ == "__main__":
    main()
