"""Does the audit find wrong labels, and is a model better without the photos that it doubts?

python -m benchmarks.accuracy.audit_labels ../shared/cats --weights BACKBONE.pth

In each of three seeds 5 % of the labels are replaced by others at random. The features are those of
the pretrained weights, which saw none of these labels. "In the first 8 %" is of the ranking of
all photos. Leaving out is measured by a linear classifier on the same features that has a random
fifth of the photos to test, with the labels that they really have.
"""

from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import click
import numpy as np

from benchmarks.results import write_result
from edgecat.audit.labels import find_doubts, judge_labels
from edgecat.audit.survey import Survey, survey_photos
from edgecat.cli.output import TerminalProgress
from edgecat.photos.folder import load_folder
from edgecat.scores.metrics import Indices
from edgecat.scores.ood import Features
from edgecat.train.features import features_of_weights

_FIRST_RATIO, _TEST_RATIO = 0.08, 0.2


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--weights", default="imagenet", show_default=True, help="As for edgecat audit.")
@click.option("--seeds", default=3, show_default=True)
@click.option("--wrong", "wrong_ratio", default=0.05, show_default=True)
def main(data: Path, weights: str, seeds: int, wrong_ratio: float) -> None:
    """Flip labels, judge them, and look how many are found."""
    survey = survey_photos(load_folder(data), features_of_weights(weights), TerminalProgress())
    labels = sorted({photo.label for photo in survey.photos})
    targets = np.array([labels.index(photo.label) for photo in survey.photos], np.int64)
    rows = []
    for ratio in (wrong_ratio, 0.0):
        for seed in range(seeds):
            row = measure(survey, targets, ratio, seed)
            rows.append(row)
            click.echo(row)
    found = [row["found_in_first_ratio"] for row in rows if row["num_wrong"]]
    write_result(
        "audit_labels",
        {
            "num_photos": len(targets),
            "first_ratio": _FIRST_RATIO,
            "wrong_ratio": wrong_ratio,
            "mean_found_in_first_ratio": mean(found),
            "rows": rows,
        },
    )


def measure(survey: Survey, right: Indices, ratio: float, seed: int) -> dict[str, Any]:
    """Return what is found of a share of wrong labels."""
    rng = np.random.default_rng(seed)
    targets, is_wrong = flip(right, ratio, rng)
    likely = judge_labels(survey.features, targets, survey.groups)
    ranking = np.argsort(likely[np.arange(len(targets)), targets], kind="stable")
    first = ranking[: round(_FIRST_RATIO * len(targets))]
    in_doubt = find_doubts(likely, targets)
    is_test = rng.random(len(targets)) < _TEST_RATIO
    kept = {
        "all": ~is_test,
        "without doubts": ~is_test & ~in_doubt,
        "without wrong": ~is_test & ~is_wrong,
    }
    return {
        "seed": seed,
        "num_wrong": int(is_wrong.sum()),
        "found_in_first_ratio": float(is_wrong[first].sum() / max(is_wrong.sum(), 1)),
        "num_in_doubt": int(in_doubt.sum()),
        "num_wrong_in_doubt": int(is_wrong[in_doubt].sum()),
        "test_top1_ratio": {
            name: learn(survey.features, targets, right, train, is_test)
            for name, train in kept.items()
        },
    }


def flip(right: Indices, ratio: float, rng: np.random.Generator) -> tuple[Indices, np.ndarray]:
    """Return labels of which a share is another class's, and which these are: bool `[N]`."""
    num_classes = int(right.max()) + 1
    chosen = rng.choice(len(right), round(ratio * len(right)), replace=False)
    targets, is_wrong = right.copy(), np.zeros(len(right), bool)
    targets[chosen] = (right[chosen] + rng.integers(1, num_classes, len(chosen))) % num_classes
    is_wrong[chosen] = True
    return targets, is_wrong


def learn(
    features: Features, targets: Indices, right: Indices, train: np.ndarray, test: np.ndarray
) -> float:
    """Return how many test photos ridge regression on the features of training photos has right.

    It is the classifier that judges labels, asked for photos that it has not seen.
    """
    answers = predict(features[train], targets[train], features[test], range(int(right.max()) + 1))
    return float((answers == right[test]).mean())


def predict(known: Features, targets: Indices, asked: Features, classes: Sequence[int]) -> Indices:
    """Return the class of each photo that is asked for, by ridge regression."""
    centre, spread = known.mean(axis=0), np.maximum(known.std(axis=0), 1e-9)
    x, y = (known - centre) / spread, (targets[:, None] == np.array(classes)).astype(np.float64)
    weights = np.linalg.solve(x.T @ x / len(x) + np.eye(x.shape[1]), x.T @ (y - y.mean(0)) / len(x))
    return np.asarray((((asked - centre) / spread) @ weights + y.mean(0)).argmax(axis=1))


if __name__ == "__main__":
    main()
