"""What each variant loses on labelled photos, as this machine answers them."""

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from edgecat.bench.evaluate import answer_known_photos
from edgecat.bundle.manifest import ModelSpec
from edgecat.bundle.store import Bundle
from edgecat.errors import ConfigError
from edgecat.progress import Progress
from edgecat.runtime.device import CPU
from edgecat.runtime.engine import find_precision
from edgecat.scores.compare import DEFAULT_MAX_DROP_PP, AccuracyChange, compare_accuracy
from edgecat.scores.evaluation import describe_seen
from edgecat.tune.worker import Candidate


def measure_changes(
    bundle: Bundle, opened: Sequence[Candidate], data: Path, progress: Progress
) -> dict[str, AccuracyChange]:
    """Return how the accuracy of each variant differs from that of an exact one, by its `place`.

    Args:
        bundle: Verified.
        opened: Those that open here.
        data: Labelled photos, as for `edgecat.bench.evaluate.evaluate`.
        progress: Told of each photo.

    Raises:
        ConfigError: None of the variants on the CPU is exact.
        DatasetError: As `edgecat.bench.evaluate.evaluate`.
    """
    exact = _find_exact(bundle.spec, [each.variant for each in opened if each.device == CPU])
    with contextlib.ExitStack() as stack:
        engines = [
            stack.enter_context(contextlib.closing(candidate.open(bundle))) for candidate in opened
        ]
        answers = answer_known_photos(bundle, engines, data, progress=progress)
    if warning := describe_seen(answers.num_seen):
        progress.say(f"CAREFUL: {warning}")
    logits = dict(zip((each.place for each in opened), answers.logits, strict=True))
    return {
        place: compare_accuracy(logits[exact], found, answers.targets)
        for place, found in logits.items()
    }


def _find_exact(spec: ModelSpec, variants: Sequence[str]) -> str:
    if spec.reference in variants:
        return spec.reference
    for name in variants:
        if find_precision(spec.variant(name)).made == "exact":
            return name
    raise ConfigError(
        f"--data: no float variant opens here that the others could be compared with; install "
        f"the engine of {spec.reference}, or leave --data out"
    )


def find_max_drop_pp(spec: ModelSpec) -> float:
    """Return how much top-1 a variant of a bundle may lose, percentage points.

    It is what the export was given (`--max-drop`), or that option's default.
    """
    budget = spec.provenance.get("budget")
    found = budget.get("max_drop_pp") if isinstance(budget, Mapping) else None
    if isinstance(found, int | float) and 0 <= found <= 100:
        return float(found)
    return DEFAULT_MAX_DROP_PP
