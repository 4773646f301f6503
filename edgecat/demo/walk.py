"""The whole path in one call: photos -> checkpoint -> graph -> bundle -> answers."""

import dataclasses
import os
import shutil
import time
from pathlib import Path

from edgecat import atomic
from edgecat.bench.effort import Effort
from edgecat.bench.report import Report, format_report
from edgecat.bench.run import run_benchmark
from edgecat.errors import ConfigError
from edgecat.export.job import export_run
from edgecat.photos.drawings import draw_dataset
from edgecat.photos.folder import LabelledPhoto, load_folder, load_training_folder
from edgecat.progress import Progress
from edgecat.quantize.search import Budget
from edgecat.runtime.classifier import Classifier
from edgecat.strict import to_json
from edgecat.train.finetune import finetune
from edgecat.train.job import Job
from edgecat.train.recipe import Recipe
from edgecat.train.run import load_split
from edgecat.typed import command_line

# Drawings are easy: three epochs are enough to show that it learns, and keep to two minutes.
_RECIPE = Recipe(epochs=3)

# What a demo writes; the marker says that it was one that wrote it.
_MARKER = ".edgecat-demo"
_TEST_PHOTO = "test-photo"
_OURS = {_MARKER, "drawings", "run", "demo.edgecat", "benchmark.json", _TEST_PHOTO}

# So few rounds because the demo shows the way; `edgecat benchmark` measures.
_NUM_ROUNDS = 50


@dataclasses.dataclass(frozen=True)
class Places:
    """Where a demo reads and writes.

    Attributes:
        out: Its folder.
        photos: Labelled photos, or drawings.
        drawn: Whether they are drawings.
    """

    out: Path
    photos: Path
    drawn: bool

    @property
    def run(self) -> Path:
        """Return the run's folder."""
        return self.out / "run"

    @property
    def bundle(self) -> Path:
        """Return the bundle."""
        return self.out / "demo.edgecat"

    @property
    def numbers(self) -> Path:
        """Return the file of the benchmark's numbers."""
        return self.out / "benchmark.json"


def walk(out: Path, data: Path | None, progress: Progress) -> str:
    """Fine-tune, export, quantize, evaluate, measure and predict; return the summary.

    Args:
        out: Folder for the drawings, the run and the bundle; an earlier demo's is replaced.
        data: Labelled photos, a folder or a zip file; None to draw some.
        progress: Told of each step.

    Raises:
        ConfigError: `out` holds something that no demo made.
        EdgecatError: As each step does.
    """
    started_s = time.perf_counter()
    _check_data(out, data)
    _clear(out)
    places = Places(out, data or out / "drawings", drawn=data is None)
    _draw(places, progress)
    recipe = _RECIPE if places.drawn else Recipe()
    finetune(Job(places.photos, places.run, weights="cats12", recipe=recipe), progress)
    budget = Budget(search="quick", allows_drop=True)
    spec = export_run(places.run, places.bundle, budget, int8=True, progress=progress)
    report = run_benchmark(
        places.bundle, data=places.photos, effort=Effort(_NUM_ROUNDS), progress=progress
    )
    _write_numbers(places, report)
    answers = _predict(places)
    return "\n".join(
        [
            *_describe_scores(places, report),
            *answers,
            *_describe_places(places, len(spec.variants)),
            f"{time.perf_counter() - started_s:.0f} s in all",
        ]
    )


def _check_data(out: Path, data: Path | None) -> None:
    """Refuse photos that are none, or would be removed.

    Raises:
        ConfigError: They lie inside the demo's folder.
        DatasetError: They are no data set.
    """
    if data is not None:
        if Path(os.path.realpath(data)).is_relative_to(os.path.realpath(out)):
            raise ConfigError(f"--data {data}: lies inside {out}, which is replaced")
        load_training_folder(data)


def _draw(places: Places, progress: Progress) -> None:
    if places.drawn:
        progress.say(
            "draw cats (drawings made by this program, not photos: scores say nothing of real cats)"
        )
        num_drawn = draw_dataset(places.photos)
        progress.say(f"{num_drawn} drawings in {places.photos}")


def _write_numbers(places: Places, report: Report) -> None:
    text = to_json(report.to_dict(), indent=1)
    atomic.write_text(places.numbers, text + "\n")


def _predict(places: Places) -> list[str]:
    """Let the new bundle and the released one answer a test photo."""
    test, test_file = _find_test_photo(places)
    lines = []
    for name in (str(places.bundle), "cats12"):
        with Classifier.open(name) as classifier:
            guess = classifier.predict(test_file)
        lines.append(
            f"  {command_line('predict', name, test_file)}\n    -> {guess.label} "
            f"{100 * guess.probability:.0f} % ({test.label} is right)"
        )
    return lines


def _find_test_photo(places: Places) -> tuple[LabelledPhoto, Path]:
    """Return a photo of the run's test split, and a file with it, which a zip file has not."""
    folder = load_folder(places.photos)
    split = load_split(places.run)
    row = split.photos[split.indices("test")[0]]
    photo = folder.photo(row.path, row.label)
    if photo.zipped is None:
        return photo, photo.path
    file = places.out / _TEST_PHOTO
    atomic.write_file(file, lambda opened: opened.write(photo.read()))
    return photo, file


def _describe_scores(places: Places, report: Report) -> list[str]:
    kind = "drawings, not photos" if places.drawn else "your photos"
    counted = f"test photos: {report.rows[0].num_images} ({kind})"
    return ["", counted, format_report(report), ""]


def _describe_places(places: Places, num_variants: int) -> list[str]:
    return [
        "",
        f"{places.photos}  the pictures",
        f"{places.run}  the run: curves.png, confusion.png, metrics.csv, run.json",
        f"{places.bundle}  the bundle for the device ({num_variants} variants)",
        f"{places.numbers}  the numbers above",
    ]


def _clear(out: Path) -> None:
    """Remove what an earlier demo left, and nothing else.

    Raises:
        ConfigError: The folder holds other things.
    """
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise ConfigError(f"{out}: is no folder; give --out another name")
    marker = out / _MARKER
    if marker.is_file():
        for name in _OURS:  # what a demo was writing when it was killed
            atomic.remove_leftovers(out, name)
    found = {path.name for path in out.iterdir()} if out.exists() else set()
    if found and (found - _OURS or not marker.is_file()):
        raise ConfigError(f"{out}: is not empty and no earlier demo; give --out another name")
    for name in found - {_MARKER}:  # killed meanwhile, it is still a demo's folder
        _remove(out / name)
    with atomic.storage_errors(out):
        out.mkdir(parents=True, exist_ok=True)
    atomic.write_text(marker, "made by edgecat demo, which may replace this folder\n")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
