"""How many strangers among a week's photos are noticed, and how often is an alarm false?

python -m benchmarks.accuracy.drift ../shared/cats ../shared/not-cats

The released model's validation photos are the reference, its test photos a good week, and photos of
other things the strangers; each week is drawn at random.
"""

from pathlib import Path

import click
import numpy as np

from benchmarks.photos import load_seen_photos
from benchmarks.results import write_result
from edgecat.bundle.ood import load_detector
from edgecat.bundle.store import load_bundle
from edgecat.export.ood import answer_with_features
from edgecat.photos.pixels import load_batch
from edgecat.runtime.choice import open_engine
from edgecat.scores.drift import ALPHA, compare_scores

_NUM_STRANGERS, _NUM_WEEKS = 100, 40
# Photos of a week, and strangers among them.
_WEEKS = ((100, 0), (100, 5), (100, 10), (200, 0), (200, 10), (200, 20))


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.argument("strangers", type=click.Path(path_type=Path))
@click.option("--bundle", "name", default="cats12", show_default=True)
def main(data: Path, strangers: Path, name: str) -> None:
    """Draw weeks, and count those that are noticed."""
    bundle = load_bundle(name)
    engine, detector = open_engine(bundle, bundle.spec.reference), load_detector(bundle)
    if detector is None:
        raise click.ClickException(f"{name} knows no strangers")
    photos = load_seen_photos(bundle, data, "val", "test")
    photos.append(load_batch(sorted(strangers.glob("*.jpg"))[:_NUM_STRANGERS]))
    reference, good, others = (
        detector.ood_score(*answer_with_features(engine, batch)) for batch in photos
    )
    rng, rows = np.random.default_rng(0), []
    for num, num_strange in _WEEKS:
        weeks = (
            np.concatenate(
                [
                    rng.choice(good, num - num_strange, replace=False),
                    rng.choice(others, num_strange, replace=False),
                ]
            )
            for _ in range(_NUM_WEEKS)
        )
        noticed = sum(compare_scores(reference, week) < ALPHA for week in weeks)
        rows.append({"num_photos": num, "num_strange": num_strange, "num_noticed": noticed})
        click.echo(rows[-1])
    write_result("drift", {"num_reference": len(reference), "num_weeks": _NUM_WEEKS, "rows": rows})


if __name__ == "__main__":
    main()
