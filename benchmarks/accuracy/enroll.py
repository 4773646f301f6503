"""A class from ten photos: is it found, and what do the others lose? Leave one breed out.

python -m benchmarks.accuracy.enroll ../shared/cats --weights BACKBONE.pth --work runs/enroll
python -m benchmarks.accuracy.enroll ... --only Ragdoll --only Sphynx

For each breed a network is fine-tuned and exported without it; then `edgecat enroll` adds it from
ten photos, drawn three times. Old breeds are measured on their test photos, the new one on all of
its photos that were not drawn. What is made in --work is not made again, so that the script goes on
where it was stopped; --only takes some breeds, and the others' rows of the last result stay.
"""

import dataclasses
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.results import list_results, load_results, write_result
from edgecat.bundle.store import load_bundle
from edgecat.cli.output import TerminalProgress
from edgecat.enroll.job import enroll
from edgecat.errors import DatasetError
from edgecat.export.job import export_run
from edgecat.photos.folder import LabelledPhoto
from edgecat.photos.pixels import Pixels, load_pixels
from edgecat.photos.reading import read_photos
from edgecat.runtime.classifier import Classifier
from edgecat.train.finetune import finetune
from edgecat.train.job import Job
from edgecat.train.run import load_split

_NUM_PHOTOS, _NUM_DRAWS = 10, 3


@dataclasses.dataclass(frozen=True)
class Case:
    """A bundle without a breed, and the photos to measure with.

    Attributes:
        bundle: Its folder.
        label: The breed that is left out.
        files: Its photos.
        pixels: The same: uint8 `[N, H, W, 3]`, RGB.
        old_pixels: Test photos of the others.
        old_targets: Their labels.
    """

    bundle: Path
    label: str
    files: Sequence[Path]
    pixels: Pixels
    old_pixels: Pixels
    old_targets: Sequence[str]


@click.command()
@click.argument("data", type=click.Path(exists=True, path_type=Path))
@click.option("--weights", default="imagenet", show_default=True)
@click.option("--work", type=click.Path(path_type=Path), default="runs/enroll", show_default=True)
@click.option("--only", multiple=True, help="A folder of DATA; default: all.")
@click.option("--device", default="cpu", show_default=True)
def main(data: Path, weights: str, work: Path, only: tuple[str, ...], device: str) -> None:
    """Leave each breed out and enroll it."""
    names = sorted(path.name for path in data.iterdir() if path.is_dir())
    rows = {row["label"]: row for result in load_results("enroll")[:1] for row in result["rows"]}
    for name in only or names:
        bundle = make_bundle(data, work / name, name, weights, device)
        case = load_case(bundle, work / name, data, name)
        row = measure(case)
        rows[case.label] = row
        click.echo(
            f"{case.label}: found {100 * row['found_ratio']:.1f} %, old classes lose "
            f"{row['lost_pp']:+.2f} pp, called unknown {100 * row['unknown_ratio']:.1f} %, refused "
            f"{row['num_refused']} of {_NUM_DRAWS}"
        )
        write_result("enroll", {"num_photos": _NUM_PHOTOS, "rows": [*rows.values()]})
    click.echo(f"in {list_results('enroll')}")


def make_bundle(data: Path, work: Path, left_out: str, weights: str, device: str) -> Path:
    """Fine-tune and export without a breed, unless that is done; return the bundle."""
    bundle = work / "without.edgecat"
    if bundle.exists():
        return bundle
    photos = work / "photos"
    photos.mkdir(parents=True, exist_ok=True)
    for folder in data.iterdir():
        if folder.is_dir() and folder.name != left_out and not (photos / folder.name).exists():
            (photos / folder.name).symlink_to(folder.resolve())
    progress = TerminalProgress()
    job = Job(photos, work / "run", weights=weights, seed=0, device=device, resume=True)
    finetune(job, progress)
    export_run(work / "run", bundle, progress=progress)
    return bundle


def load_case(bundle: Path, work: Path, data: Path, left_out: str) -> Case:
    """Read the photos to measure with."""
    split = load_split(work / "run")
    tested = [split.photos[place] for place in split.indices("test")]
    label = left_out.replace("_", " ")
    spec = load_bundle(bundle).spec.input
    old = [LabelledPhoto(work / "photos" / photo.path, photo.label) for photo in tested]
    new = [LabelledPhoto(path, label) for path in sorted((data / left_out).iterdir())]

    def read(photos: Sequence[LabelledPhoto]) -> tuple[list[LabelledPhoto], Pixels]:
        found = [*read_photos(photos, lambda data: load_pixels(data, spec))]
        return [photo for photo, _, _ in found], np.stack([pixels for _, _, pixels in found])

    (old_found, old_pixels), (new_found, new_pixels) = read(old), read(new)
    files = [photo.path for photo in new_found]
    return Case(bundle, label, files, new_pixels, old_pixels, [one.label for one in old_found])


def measure(case: Case) -> dict[str, Any]:
    """Enroll a breed several times, and return what became of it, mean of all."""
    before = answer(case.bundle, case.old_pixels)
    targets = np.array(case.old_targets)
    was_right = np.array([one for one, _ in before]) == targets
    draws, num_refused = [], 0
    for seed in range(_NUM_DRAWS):
        order = np.random.default_rng(seed).permutation(len(case.files))
        drawn, others = order[:_NUM_PHOTOS], order[_NUM_PHOTOS:]
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "with.edgecat"
            try:
                outcome = enroll(case.bundle, case.label, [case.files[i] for i in drawn], out)
            except DatasetError as error:
                click.echo(f"refused: {error}")
                num_refused += 1
                continue
            old, new = answer(out, case.old_pixels), answer(out, case.pixels[others])
        is_right = np.array([one for one, _ in old]) == targets
        found = np.array([one == case.label for one, _ in new])
        draws.append(
            {
                "found_ratio": float(found.mean()),
                "unknown_ratio": float(np.mean([known is False for _, known in new])),
                "lost_pp": 100 * float(was_right.mean() - is_right.mean()),
                "num_found_when_left_out": outcome.unit.num_found,
            }
        )
    names = ("found_ratio", "unknown_ratio", "lost_pp", "num_found_when_left_out")
    means = {name: float(np.mean([draw[name] for draw in draws] or [0.0])) for name in names}
    return {
        "label": case.label,
        "num_new": len(case.files) - _NUM_PHOTOS,
        "num_old": len(case.old_targets),
        "old_top1_ratio": float(was_right.mean()),
        "num_refused": num_refused,
        **means,
        "draws": draws,
    }


def answer(bundle: Path, photos: Pixels) -> list[tuple[str, bool | None]]:
    """Return the label of each photo, and whether it is known, as the float model says it."""
    spec = load_bundle(bundle).spec
    with Classifier.open(bundle, spec.reference) as classifier:
        found = [classifier.combine([classifier.answer(pixels)], top=1) for pixels in photos]
    return [(one.label, one.is_known) for one in found]


if __name__ == "__main__":
    main()
