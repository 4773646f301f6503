"""Does the heat point at the evidence? The grid pointing game.

python -m benchmarks.accuracy.pointing cats12 ../shared/cats

Photos of four classes, that the model was not trained on and answers rightly, make one picture of
four quarters; the heat is asked for each of the four. A hit is a hottest place in that class's own
quarter: by chance a quarter of them. Beside it, the share of the positive heat that lies there.
Source: Böhle, Fritz, Schiele, "Convolutional Dynamic Alignment Networks for Interpretable
Classifications", CVPR 2021, section 5.2.
"""

import dataclasses
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt
from PIL import Image

from benchmarks.results import write_result
from edgecat.bundle.photo_record import load_photo_record
from edgecat.errors import EngineError
from edgecat.photos.folder import LabelledPhoto, find_photos
from edgecat.photos.pixels import Pixels
from edgecat.photos.reading import read_photos
from edgecat.runtime.classifier import Classifier
from edgecat.scores.heat import Heat, find_hottest
from edgecat.scores.metrics import wilson_interval

# Of the quarters: from the top, from the left.
_PLACES = ((0, 0), (0, 1), (1, 0), (1, 1))


@dataclasses.dataclass(frozen=True)
class Hits:
    """How often the heat was right.

    Attributes:
        hits: bool `[N]`: was the hottest place in the right quarter?
        shares: float64 `[N]`: how much of the positive heat lay there, 0-1.
    """

    hits: npt.NDArray[np.bool_]
    shares: npt.NDArray[np.float64]


def load_right_photos(
    classifier: Classifier, found: Sequence[LabelledPhoto]
) -> dict[str, list[Pixels]]:
    """Return by label the test photos that are answered rightly: uint8 `[H, W, 3]`, RGB."""
    record = load_photo_record(classifier.bundle)
    right = defaultdict(list)
    for photo, sha256, pixels in read_photos(found, classifier.load_pixels):
        if record.was_tested(sha256) and classifier.predict(pixels).label == photo.label:
            right[photo.label].append(pixels)
    return dict(right)


def play(classifier: Classifier, photos: dict[str, list[Pixels]], num_pictures: int) -> Hits:
    """Play the game with pictures drawn at random, seeded: four places each.

    Args:
        classifier: Explains.
        photos: By label, at least four labels, each with a photo or more.
        num_pictures: How many pictures of four quarters.
    """
    rng = np.random.default_rng(0)
    hits, shares = [], []
    for _ in range(num_pictures):
        labels = rng.choice(sorted(photos), 4, replace=False).tolist()
        drawn = [photos[label][rng.integers(len(photos[label]))] for label in labels]
        picture = join_quarters(drawn)
        for label, place in zip(labels, _PLACES, strict=True):
            heat = classifier.explain(picture, label=label).heat
            left_ratio, top_ratio = find_hottest(heat)
            hits.append((top_ratio > 0.5, left_ratio > 0.5) == place)
            shares.append(share_within(heat, place))
    return Hits(np.array(hits), np.array(shares))


def join_quarters(photos: Sequence[Pixels]) -> Pixels:
    """Return four photos as one that the model sees whole: uint8 `[H, W, 3]`, RGB."""
    height_px, width_px, _ = photos[0].shape
    quarters = [
        np.asarray(Image.fromarray(photo).resize((width_px // 2, height_px // 2)))
        for photo in photos
    ]
    whole = np.vstack([np.hstack(quarters[:2]), np.hstack(quarters[2:])])
    # What is around it is cut off again.
    margin_px = round(height_px / 14)
    return np.pad(whole, ((margin_px, margin_px), (margin_px, margin_px), (0, 0)), mode="edge")


def share_within(heat: Heat, place: tuple[int, int]) -> float:
    """Return how much of the positive heat lies in a quarter, 0-1; the middle belongs to all."""
    fine = np.kron(np.maximum(heat, 0), np.ones((2, 2)))
    rows, columns = (length // 2 for length in fine.shape)
    top, left = place[0] * rows, place[1] * columns
    total = float(fine.sum())
    return float(fine[top : top + rows, left : left + columns].sum()) / total if total else 0.0


@click.command()
@click.argument("bundle")
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--pictures", default=100, show_default=True)
def main(bundle: str, data: Path, pictures: int) -> None:
    """Let every variant of a bundle point."""
    rows = []
    with Classifier.open(bundle) as classifier:
        names = [variant.name for variant in classifier.bundle.spec.variants]
        photos = load_right_photos(classifier, find_photos(data))
    for name in names:
        try:
            with Classifier.open(bundle, name) as classifier:
                found = play(classifier, photos, pictures)
        except EngineError as error:
            click.echo(f"left out: {error}")
            continue
        num, num_hits = len(found.hits), int(found.hits.sum())
        rows.append(
            {
                "variant": name,
                "num": num,
                "hit_ratio": num_hits / num,
                "hit_interval_ratio": wilson_interval(num_hits, num),
                "mean_share_ratio": float(found.shares.mean()),
            }
        )
        click.echo(
            f"{name}: {num_hits} of {num} hits, {100 * found.shares.mean():.0f} % of the heat"
        )
    write_result("pointing", {"bundle": bundle, "chance_ratio": 0.25, "rows": rows})


if __name__ == "__main__":
    main()
