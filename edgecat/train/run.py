"""A fine-tuning run on disk: its folder, its record, its checkpoint.

RUN/run.json             what was asked, what came out
RUN/split.json           which photo is in which split, with its SHA-256
RUN/model.safetensors    the weights of the best epoch
RUN/last.pt              where a killed run goes on (tensors and numbers, no code)
RUN/metrics.csv          a line an epoch
RUN/curves.png           how it learned
RUN/confusion.png        which test photos are taken for what
RUN/teacher/             the run of its teacher, if one was trained for it
RUN/answers/             what this run's network answered as a teacher of others
RUN/tensorboard/         metrics.csv for TensorBoard, where it was asked for
RUN/cache/               what its exports made and may use again (edgecat.export.cache)
"""

import dataclasses
import hashlib
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from edgecat import atomic
from edgecat.errors import TrainError, describe_reason
from edgecat.photos.input import FIRST, IMAGENET, InputSpec
from edgecat.photos.split import Split
from edgecat.scores.class_score import ClassScore, describe_recalls
from edgecat.scores.metrics import describe_small_classes, describe_top1
from edgecat.strict import build, read_json, to_json
from edgecat.train.divergence import Divergence
from edgecat.train.inits import INITS, SCRATCH
from edgecat.train.origins import AddedRecord, ParentRecord, TeacherRecord, UnlabelledRecord
from edgecat.train.recipe import Recipe

RUN_VERSION = 1

RECORD = "run.json"
SPLIT = "split.json"
MODEL = "model.safetensors"
CHECKPOINT = "last.pt"
METRICS = "metrics.csv"
TEACHER = "teacher"
ANSWERS = "answers"

# Classes whose recall a run's last lines name; all of them stand in the record.
_MAX_RECALLS = 20


@dataclasses.dataclass(frozen=True)
class PartScore:
    """How a part of the test photos is answered.

    Attributes:
        num_right: Photos answered rightly.
        num_images: Photos.
        interval_ratio: The 95 % interval of the share of the two.
    """

    num_right: int
    num_images: int
    interval_ratio: tuple[float, float]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a finished run measured.

    Attributes:
        best_epoch: The epoch whose weights were kept, chosen on the validation photos.
        val_top1_ratio: Of that epoch, 0-1.
        num_test: Test photos; they were looked at once, after the choice.
        test_top1_ratio: Share answered rightly, 0-1.
        test_interval_ratio: Its 95 % interval.
        duration_s: From the first photo read to the end, decoding included; of a run that was
            resumed, from there, and the epochs of before.
        images_per_s: Training photos a second in the epochs of the whole network.
        val_macro_f1_ratio: Mean F1 of the classes, 0-1; None in runs of an older edgecat.
        test_macro_f1_ratio: The same of the test photos.
        test_per_class: Recall and precision of each class that has test photos.
        test_parts: The test photos apart, where some were added: by whose they are.
    """

    best_epoch: int
    val_top1_ratio: float
    num_test: int
    test_top1_ratio: float
    test_interval_ratio: tuple[float, float]
    duration_s: float
    images_per_s: float
    val_macro_f1_ratio: float | None = None
    test_macro_f1_ratio: float | None = None
    test_per_class: dict[str, ClassScore] = dataclasses.field(default_factory=dict)
    test_parts: dict[str, PartScore] = dataclasses.field(default_factory=dict)


def describe_outcome(outcome: Outcome) -> list[str]:
    """Return the lines that a run ends with."""
    num_right = round(outcome.test_top1_ratio * outcome.num_test)
    lines = [
        f"test top-1: {describe_top1(num_right, outcome.num_test)}, epoch {outcome.best_epoch}, "
        f"{outcome.duration_s:.0f} s"
    ]
    lines += [
        f"of these, {name}: {describe_top1(part.num_right, part.num_images)}"
        for name, part in outcome.test_parts.items()
    ]
    if outcome.test_macro_f1_ratio is not None:
        recalls = describe_recalls(outcome.test_per_class, most=_MAX_RECALLS, rest=f"in {RECORD}")
        lines += [
            f"test macro F1: {100 * outcome.test_macro_f1_ratio:.1f} %",
            f"test recall, lowest first: {recalls}",
            describe_small_classes({k: c.num_images for k, c in outcome.test_per_class.items()}),
        ]
    return [line for line in lines if line]


@dataclasses.dataclass(frozen=True)
class RunRecord:
    """What a run was asked to do, and, when finished, what came out.

    Attributes:
        arch: As `edgecat.train.architecture.find_architecture` knows it.
        labels: The classes in the order of the logits.
        weights: What the network started from, as the user named it.
        num_loaded: Tensors that were pretrained.
        random: Parameters that started from random numbers.
        seed: Of the split, the output layer, the order and the augmentation of photos.
        recipe: Every number of the training.
        data: The folder of the photos or the zip file, absolute.
        data_sha256: Of the list of all photos' hashes and labels.
        num_photos: By split.
        device: Where it ran, with its name.
        versions: Of what matters to the numbers.
        input: What the network takes; the first runs do not say: `edgecat.photos.input.FIRST`.
        init: Which layers were pretrained: one of `edgecat.train.inits.INITS`. Runs of before there
            was a choice do not say; see `load_run`.
        conflicts: What was done about the same photo in two classes: "stop", "drop" or "keep".
        outcome: None until the run has finished.
        teacher: What its answers were learned from; None where there were only labels.
        unlabelled: Which photos without labels it learned from, if any.
        added: Which reviewed photos it learned from, if any.
        parent: What it started from, if that was a run's network, edited.
        edited_val_top1_ratio: On validation photos, 0-1, after the edits and before it learned.
        divergences: How it went wrong, each time before it was resumed with other rates.
        run_version: Of this record's form.
    """

    arch: str
    labels: tuple[str, ...]
    weights: str
    num_loaded: int
    random: tuple[str, ...]
    seed: int
    recipe: Recipe
    data: str
    data_sha256: str
    num_photos: dict[str, int]
    device: str
    versions: dict[str, str]
    input: InputSpec = IMAGENET
    init: str = "transfer"
    conflicts: str = "stop"
    teacher: TeacherRecord | None = None
    unlabelled: UnlabelledRecord | None = None
    added: AddedRecord | None = None
    parent: ParentRecord | None = None
    edited_val_top1_ratio: float | None = None
    outcome: Outcome | None = None
    divergences: tuple[Divergence, ...] = ()
    run_version: int = RUN_VERSION

    def __post_init__(self) -> None:
        """Check the init.

        Raises:
            ValueError: An unknown one.
        """
        if self.init not in INITS:
            raise ValueError(f"init {self.init!r} is none of {', '.join(INITS)}")

    @property
    def is_diverged(self) -> bool:
        """Return whether the run went wrong with the rates that it has now."""
        return bool(self.divergences) and all(
            getattr(self.recipe, name) == rate for name, rate in self.divergences[-1].rates.items()
        )

    def to_provenance(self) -> dict[str, Any]:
        """Return where the network is from as plain values; nothing of the machine that made it."""
        origin = {
            "weights": Path(self.weights).name,
            "num_tensors_loaded": self.num_loaded,
            "random_parameters": list(self.random),
            "seed": self.seed,
            "recipe": dataclasses.asdict(self.recipe),
            "data_sha256": self.data_sha256,
            "num_photos": self.num_photos,
            "versions": self.versions,
        }
        if self.teacher is not None:
            weights = Path(self.teacher.weights).name
            origin["teacher"] = dataclasses.asdict(self.teacher) | {"weights": weights}
        if self.added is not None:
            origin["reviewed_photos"] = self.added.num_photos
        return origin

    def save(self, run: Path) -> None:
        """Write the record into the run's folder.

        Raises:
            StorageError: The disk is full.
        """
        text = to_json(dataclasses.asdict(self), indent=1)
        atomic.write_text(run / RECORD, text + "\n")


def load_run(run: Path) -> RunRecord:
    """Read a run's record.

    Raises:
        TrainError: No run there, or one of another version.
    """
    values = _read_json(run, RECORD)
    # First of all: the keys of another version would be called unknown.
    if isinstance(values, Mapping) and values.get("run_version", RUN_VERSION) != RUN_VERSION:
        raise TrainError(
            f"{run / RECORD}: run_version {values['run_version']}, but this edgecat reads "
            f"{RUN_VERSION}; fine-tune again with this version"
        )
    if isinstance(values, dict) and isinstance(values.get("recipe"), dict):
        values["recipe"].pop("patience", None)  # runs could stop early once
    if isinstance(values, dict) and values.get("weights") == SCRATCH:
        values.setdefault("init", SCRATCH)  # that was how one said it before there was init
    if isinstance(values, dict):
        values.setdefault("input", dataclasses.asdict(FIRST))
    return build(RunRecord, values, str(run / RECORD), TrainError)


def load_split(run: Path) -> Split:
    """Read a run's split.

    Raises:
        TrainError: No run there.
        DatasetError: The split does not read.
    """
    return build(Split, _read_json(run, SPLIT), str(run / SPLIT), TrainError)


def hash_data(split: Split) -> str:
    """Return one SHA-256 for a data set: the same photos with the same labels give the same."""
    lines = sorted(f"{photo.sha256} {photo.label}" for photo in split.photos)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def measure_versions() -> dict[str, str]:
    """Return the versions of what decides a run's numbers."""
    names = ("edgecat", "torch", "torchvision", "numpy", "pillow")
    return {"python": platform.python_version()} | {name: version(name) for name in names}


def _read_json(run: Path, name: str) -> Any:
    try:
        data = (run / name).read_bytes()
    except FileNotFoundError:
        found = f"no {name} in it" if run.is_dir() else "no such folder"
        raise TrainError(
            f"{run}: {found}; a run is what 'edgecat finetune DATA --out RUN' makes"
        ) from None
    except OSError as error:
        raise TrainError(f"{run / name}: cannot be read ({describe_reason(error)})") from error
    return read_json(data, str(run / name), TrainError)
