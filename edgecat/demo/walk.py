"""The whole path in one call: photos -> checkpoint -> graph -> bundle -> answers."""

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
from edgecat.photos.folder import find_photos
from edgecat.progress import Progress
from edgecat.quantize.search import Budget
from edgecat.runtime.classifier import Classifier
from edgecat.strict import to_json
from edgecat.train.loop import Job, finetune
from edgecat.train.recipe import Recipe
from edgecat.train.run import load_split

# Drawings are easy: three epochs are enough to show that it learns, and keep to two minutes.
_RECIPE = Recipe(epochs=3)

# What a demo writes; the marker says that it was one that wrote it.
_MARKER = ".edgecat-demo"
_OURS = {_MARKER, "drawings", "run", "demo.edgecat", "benchmark.json"}

# So few rounds because the demo shows the way; `edgecat benchmark` measures.
_NUM_ROUNDS = 50


def walk(out: Path, data: Path | None, progress: Progress) -> str:
    """Fine-tune, export, quantize, evaluate, measure and predict; return the summary.

    Args:
        out: Folder for the drawings, the run and the bundle; an earlier demo's is replaced.
        data: Labelled photos; None to draw some.
        progress: Told of each step.

    Raises:
        ConfigError: `out` holds something that no demo made.
        EdgecatError: As each step does.
    """
    started_s = time.perf_counter()
    if data is not None:
        if Path(os.path.realpath(data)).is_relative_to(os.path.realpath(out)):
            raise ConfigError(f"--data {data}: lies inside {out}, which is replaced")
        find_photos(data)
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
    atomic.write_text(out / "benchmark.json", to_json(report.to_dict(), indent=1) + "\n")
    test = next(photo for photo in find_photos(photos) if _is_test(run, photos, photo.path))
    answers = []
    for name in (str(bundle), "cats12"):
        with Classifier.open(name) as classifier:
            guess = classifier.predict(test.path)
            answers.append(
                f"  edgecat predict {name} {test.path}\n    -> {guess.label} "
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


def _is_test(run: Path, photos: Path, path: Path) -> bool:
    name = path.relative_to(photos).as_posix()
    return any(photo.path == name and photo.split == "test" for photo in load_split(run).photos)
