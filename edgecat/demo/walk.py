"""The whole path in one call: photos -> checkpoint -> graph -> bundle -> answers."""

import json
import os
import shutil
import time
from pathlib import Path

from edgecat import atomic
from edgecat.bench.report import format_report
from edgecat.bench.run import run_benchmark
from edgecat.bundle.store import load_bundle
from edgecat.errors import ConfigError
from edgecat.export.build import export_run
from edgecat.photos.drawings import draw_dataset
from edgecat.photos.folder import LabelledPhoto, load_folder, load_training_folder
from edgecat.progress import Progress
from edgecat.quantize.search import Budget
from edgecat.runtime.classifier import Classifier
from edgecat.train.finetune import finetune
from edgecat.train.job import Job
from edgecat.train.recipe import Recipe
from edgecat.train.run import load_split

# Drawings are easy: three epochs are enough to show that it learns, and keep to two minutes.
_RECIPE = Recipe(epochs=3)

# What a demo writes; the marker says that it was one that wrote it.
_MARKER = ".edgecat-demo"
_TEST_PHOTO = "test-photo"
_OURS = {_MARKER, "drawings", "run", "demo.edgecat", "benchmark.json", _TEST_PHOTO}

# So few rounds because the demo shows the way; `edgecat benchmark` measures.
_NUM_ROUNDS = 50


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
    if data is not None:
        if Path(os.path.realpath(data)).is_relative_to(os.path.realpath(out)):
            raise ConfigError(f"--data {data}: lies inside {out}, which is replaced")
        load_training_folder(data)
    _clear(out)
    photos = data
    if photos is None:
        photos = out / "drawings"
        progress.say(
            "draw cats (drawings made by this program, not photos: scores say nothing of real cats)"
        )
        num_drawn = draw_dataset(photos)
        progress.say(f"{num_drawn} drawings in {photos}")
    run, bundle = out / "run", out / "demo.edgecat"
    finetune(
        Job(photos, run, weights="cats12", recipe=_RECIPE if data is None else Recipe()), progress
    )
    export_run(run, bundle, int8=Budget(search="quick", allows_drop=True), progress=progress)
    report = run_benchmark(bundle, data=photos, num_rounds=_NUM_ROUNDS, progress=progress)
    atomic.write_text(
        out / "benchmark.json", json.dumps(report.to_dict(), indent=1, ensure_ascii=False) + "\n"
    )
    test, test_file = _find_test_photo(run, photos, out)
    answers = []
    for name in (str(bundle), "cats12"):
        with Classifier.open(name) as classifier:
            guess = classifier.predict(test_file)
            answers.append(
                f"  edgecat predict {name} {test_file}\n    -> {guess.label} "
                f"{100 * guess.probability:.0f} % ({test.label} is right)"
            )
    num_variants = len(load_bundle(bundle).spec.variants)
    kind = "drawings, not photos" if data is None else "your photos"
    return "\n".join(
        [
            "",
            f"test photos: {report.rows[0].num_images} ({kind})",
            format_report(report),
            "",
            *answers,
            "",
            f"{photos}  the pictures",
            f"{run}  the run: curves.png, confusion.png, metrics.csv, run.json",
            f"{bundle}  the bundle for the device ({num_variants} variants)",
            f"{out / 'benchmark.json'}  the numbers above",
            f"{time.perf_counter() - started_s:.0f} s in all",
        ]
    )


def _clear(out: Path) -> None:
    """Remove what an earlier demo left, and nothing else.

    Raises:
        ConfigError: The folder holds other things.
    """
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise ConfigError(f"{out}: is no folder; give --out another name")
    if out.exists() and any(out.iterdir()):
        strangers = {path.name for path in out.iterdir()} - _OURS
        if strangers or not (out / _MARKER).is_file():
            raise ConfigError(f"{out}: is not empty and no earlier demo; give --out another name")
        shutil.rmtree(out)
    with atomic.storage_errors(out):
        out.mkdir(parents=True, exist_ok=True)
    atomic.write_text(out / _MARKER, "made by edgecat demo, which may replace this folder\n")


def _find_test_photo(run: Path, photos: Path, out: Path) -> tuple[LabelledPhoto, Path]:
    """Return a photo of the run's test split, and a file with it, which a zip file has not."""
    folder = load_folder(photos)
    split = load_split(run)
    row = split.photos[split.indices("test")[0]]
    photo = folder.photo(row.path, row.label)
    if photo.zipped is None:
        return photo, photo.path
    atomic.write_file(out / _TEST_PHOTO, lambda file: file.write(photo.read()))
    return photo, out / _TEST_PHOTO
