"""Are photos of other things called unknown, and which OOD score tells them best?

python -m benchmarks.accuracy.not_cats ../shared/cats ../shared/not-cats --work runs

For each bundle of export_cats.py and each variant: at the threshold stored in it, how many test
photos of cats are kept, how many of other things are rejected. The measures of logits alone are
given a threshold in the same way, the one that keeps 95 % of the validation photos.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt

from benchmarks.photos import load_seen_photos
from benchmarks.results import write_result
from edgecat.bundle.ood import load_detector
from edgecat.bundle.store import Bundle, load_bundle
from edgecat.errors import EngineError
from edgecat.export.ood import answer_with_features
from edgecat.photos.pixels import Pixels, load_batch
from edgecat.runtime.choice import open_engine
from edgecat.scores.metrics import Logits, softmax, wilson_interval
from edgecat.scores.ood import Features, choose_threshold, log_sum_exp

Measure = Callable[[Logits, Features], npt.NDArray[np.float64]]


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.argument("strangers", type=click.Path(path_type=Path))
@click.option("--work", type=click.Path(path_type=Path), default="runs", show_default=True)
def main(data: Path, strangers: Path, work: Path) -> None:
    """Let every bundle in --work answer cats that it was not trained on, and strangers."""
    others = load_batch(sorted(strangers.glob("*.jpg")))
    rows = []
    for path in sorted(work.glob("seed?.edgecat")):
        bundle = load_bundle(path)
        validation, test = load_seen_photos(bundle, data, "val", "test")
        for variant in bundle.spec.variants:
            rows += [
                {"bundle": path.stem, "variant": variant.name} | row
                for row in compare_scores(bundle, variant.name, validation, test, others)
            ]
    for row in rows:
        click.echo(
            f"{row['bundle']} {row['variant']:<17} {row['measure']:<22} kept "
            f"{100 * row['kept_ratio']:.1f} %, rejected {100 * row['rejected_ratio']:.1f} %"
        )
    write_result("not_cats", {"num_test": len(test), "num_strangers": len(others), "rows": rows})


def compare_scores(
    bundle: Bundle, variant: str, validation: Pixels, test: Pixels, others: Pixels
) -> list[dict[str, Any]]:
    """Return one row for each measure; none where this machine cannot run the variant."""
    try:
        engine = open_engine(bundle, variant)
    except EngineError as error:
        click.echo(f"left out: {error}")
        return []
    answers = [answer_with_features(engine, photos) for photos in (validation, test, others)]
    engine.close()
    detector = load_detector(bundle)
    if detector is None:
        raise click.ClickException(f"{bundle.path} knows no strangers; export it again")
    measures: Mapping[str, Measure] = {
        "features and logits": detector.ood_score,
        "energy of the logits": lambda logits, _: -log_sum_exp(logits),
        "largest logit": lambda logits, _: -logits.max(axis=1).astype(np.float64),
        "largest probability": lambda logits, _: -softmax(logits).max(axis=1),
    }
    rows = []
    for title, measure in measures.items():
        threshold = choose_threshold(measure(*answers[0]))
        kept = int((measure(*answers[1]) <= threshold).sum())
        rejected = int((measure(*answers[2]) > threshold).sum())
        rows.append(
            {
                "measure": title,
                "threshold": threshold,
                "kept_ratio": kept / len(test),
                "kept_interval_ratio": wilson_interval(kept, len(test)),
                "rejected_ratio": rejected / len(others),
                "rejected_interval_ratio": wilson_interval(rejected, len(others)),
            }
        )
    stored = bundle.spec.variant(variant).ood_threshold
    if stored is None or abs(stored - rows[0]["threshold"]) > 1e-3:
        raise click.ClickException(f"{variant}: the stored threshold {stored} is another one")
    return rows


if __name__ == "__main__":
    main()
