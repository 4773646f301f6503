"""How much of a calibration error is the model's, and how much is the measure's own?

python -m benchmarks.accuracy.calibration cats12 ../shared/cats

The gaps of 15 bins are taken without their sign, so that even a model that is exactly as sure as
it is right gets an error: in each bin, chance alone makes a gap. Here such a model is drawn again
and again, with the same probabilities as the bundle's float model gives its test photos.
"""

import contextlib
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt

from benchmarks.answers import ANSWERS
from benchmarks.results import write_result
from edgecat.bench.evaluate import answer_known_photos
from edgecat.bundle.store import load_bundle
from edgecat.cli.output import TerminalProgress
from edgecat.runtime.choice import open_engine
from edgecat.scores.metrics import NUM_BINS, calibration_error_ratio, softmax

_NUM_DRAWS = 10_000

# Of how many test photos the own error of the measure is told, beside those that there are.
_NUMS = (285, 1_000, 3_000, 10_000)


@click.command()
@click.argument("name")
@click.argument("data", type=click.Path(path_type=Path))
def main(name: str, data: Path) -> None:
    """Compare a bundle's calibration error with that of a perfectly calibrated model."""
    bundle = load_bundle(name)
    with contextlib.closing(open_engine(bundle, bundle.spec.reference)) as engine:
        answered = answer_known_photos(bundle, [engine], data, progress=TerminalProgress())
    logits = answered.logits[0] / np.float32(bundle.spec.temperature)
    confidence = softmax(logits).max(axis=1)
    found = calibration_error_ratio(logits, answered.targets)
    drawn = draw_errors(confidence, len(confidence))
    result = {
        "variant": bundle.spec.reference,
        "split": answered.split,
        "num_images": len(confidence),
        "temperature": bundle.spec.temperature,
        "mean_confidence": float(confidence.mean()),
        "top1_ratio": float((logits.argmax(axis=1) == answered.targets).mean()),
        "calibration_error_ratio": found,
        "perfect": {
            "mean_ratio": float(drawn.mean()),
            "interval_ratio": np.quantile(drawn, (0.025, 0.975)).tolist(),
            "share_as_large": float((drawn >= found).mean()),
        },
        "perfect_mean_ratio_by_num": {
            str(num): float(draw_errors(confidence, num, 1_000).mean()) for num in _NUMS
        },
    }
    click.echo(ANSWERS["calibration"](result))
    write_result("calibration", result)


def draw_errors(
    confidence: npt.NDArray[np.float64], num_photos: int, num_draws: int = _NUM_DRAWS
) -> npt.NDArray[np.float64]:
    """Return calibration errors, 0-1, of a model whose answers are right as often as it says.

    Args:
        confidence: Probabilities of answers, to draw those of photos from.
        num_photos: Of each test.
        num_draws: Tests.
    """
    rng = np.random.default_rng(0)
    errors = np.empty(num_draws)
    for draw in range(num_draws):
        told = confidence if num_photos == len(confidence) else rng.choice(confidence, num_photos)
        gaps = (rng.random(num_photos) < told) - told
        bins = np.minimum((told * NUM_BINS).astype(np.int64), NUM_BINS - 1)
        errors[draw] = np.abs(np.bincount(bins, weights=gaps)).sum() / num_photos
    return errors


if __name__ == "__main__":
    main()
