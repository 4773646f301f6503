"""What a bundle says of itself: labels, input, variants, scores, provenance <-> `bundle.json`."""

import dataclasses
import json
import math
import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from edgecat.bundle import schema1
from edgecat.errors import BundleError
from edgecat.photos.input import INPUT, InputSpec
from edgecat.scores.evaluation import ClassScore
from edgecat.strict import build

SCHEMA_VERSION = 2

#: The files of a bundle that its manifest does not name: the manifest, and the signature of it.
NOT_IN_MANIFEST = ("bundle.json", "bundle.sig")

ARCHS = ("mobilenet_v3_small", "mobilenet_v3_large")

#: <engine>-<precision>, the same strings in the command line, in files and in JSON.
VARIANTS = (
    "onnxruntime-fp32",
    "onnxruntime-int8",
    "openvino-fp32",
    "openvino-bf16",
    "openvino-int8",
)


#: Kinds of processors that differ in what INT8 is worth: x86-64 with and without VNNI, 64-bit Arm.
TARGETS = ("x86-vnni", "x86-avx2", "arm")


# Source: Unicode, general categories Cc (control) and Cs (surrogate).
_PLAIN_TEXT = re.compile("[^\\x00-\\x1f\\x7f-\\x9f\\ud800-\\udfff]*")

# edgecat writes seven levels, in the provenance of INT8.
_MAX_DEPTH = 30


@dataclasses.dataclass(frozen=True)
class FileRecord:
    """One file of a bundle: hex SHA-256 of its bytes and their number."""

    sha256: str
    size_bytes: int


@dataclasses.dataclass(frozen=True)
class Flips:
    """Answers of one class that changed between the checkpoint and a variant.

    Attributes:
        num_lost: Right before, wrong now.
        num_gained: Wrong before, right now.
    """

    num_lost: int
    num_gained: int


@dataclasses.dataclass(frozen=True)
class Score:
    """An accuracy as measured: an estimate from `num_images` photos.

    Attributes:
        split: The photos: "test" or "validation".
        num_images: How many.
        top1_ratio: Share of photos whose first answer is right, 0-1.
        top1_interval_ratio: Its 95 % interval, low and high (Wilson's).
        agreement_ratio: Share of photos with the same first answer as the checkpoint.
        drop_pp: Top-1 lost against the checkpoint, percentage points; negative is a gain.
        drop_interval_pp: Its paired 95 % interval, low and high.
        mcnemar_p: How likely such a difference, or a larger one, is by chance, 0-1.
        reference_calibration_error_ratio: How far the checkpoint's confidence and accuracy are
            apart (`edgecat.scores.metrics.calibration_error_ratio`).
        calibration_error_ratio: The same of the variant.
        flips: By label, where answers changed between right and wrong.
        macro_f1_ratio: Mean F1 of the classes, each of the same weight, 0-1; None in bundles that
            are older.
        per_class: By label, recall and precision of each class; empty in bundles that are older.
    """

    split: str
    num_images: int
    top1_ratio: float
    top1_interval_ratio: tuple[float, ...]
    agreement_ratio: float
    drop_pp: float
    drop_interval_pp: tuple[float, ...]
    mcnemar_p: float
    reference_calibration_error_ratio: float
    calibration_error_ratio: float
    flips: dict[str, Flips]
    macro_f1_ratio: float | None = None
    per_class: dict[str, ClassScore] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the intervals and the shares.

        Raises:
            ValueError: An interval that has not two ends, or a share that is none.
        """
        shares = [self.macro_f1_ratio or 0.0]
        for one in self.per_class.values():
            shares += [one.recall_ratio, one.precision_ratio]
        if not all(0 <= share <= 1 for share in shares):
            raise ValueError("macro_f1_ratio, recall_ratio and precision_ratio must be 0 to 1")
        for interval in (self.top1_interval_ratio, self.drop_interval_pp):
            if len(interval) != 2:
                raise ValueError(f"interval {interval} must have two ends")


@dataclasses.dataclass(frozen=True)
class Verdict:
    """Whether a variant is worth running, for each kind of processor.

    Attributes:
        ships_to: Those of `TARGETS` for which it is.
        reasons: For the others, why it is not.
        measured_on: The target of the machine that measured the latency.
        latency_ratio: There, its latency by that of "onnxruntime-fp32": single photos, one thread,
            median of rounds in turn.
    """

    ships_to: tuple[str, ...]
    reasons: dict[str, str]
    measured_on: str
    latency_ratio: float

    def __post_init__(self) -> None:
        """Check the targets.

        Raises:
            ValueError: One that this version does not know, or one that is missing.
        """
        known = {*self.ships_to, *self.reasons}
        if known != set(TARGETS) or self.measured_on not in TARGETS:
            raise ValueError(f"targets {sorted(known)} are not {', '.join(TARGETS)}")

    def describe(self) -> str:
        """Return the verdict as a line of text."""
        ships = f"ship to {', '.join(self.ships_to)}" if self.ships_to else "do not ship"
        by_reason: dict[str, list[str]] = {}
        for target, reason in self.reasons.items():
            by_reason.setdefault(reason, []).append(target)
        whys = [f"not {', '.join(targets)}: {why}" for why, targets in by_reason.items()]
        return (
            f"{self.latency_ratio:.2f}x the latency of onnxruntime-fp32 on {self.measured_on}; "
            f"{'; '.join([ships, *whys])}"
        )


@dataclasses.dataclass(frozen=True)
class Variant:
    """One model for one engine at one precision.

    Attributes:
        name: One of `VARIANTS`.
        files: The engine's files, the graph first ("x.onnx"; or "x.xml.gz", "x.bin").
        score: The test score, where one was measured.
        verdict: Where it is worth running, where that was measured.
        ood_threshold: OOD score (`edgecat.scores.ood`) above which a photo shows none of the known
            classes; None where the bundle cannot tell.
    """

    name: str
    files: tuple[str, ...]
    score: Score | None = None
    verdict: Verdict | None = None
    ood_threshold: float | None = None

    def __post_init__(self) -> None:
        """Check the name.

        Raises:
            ValueError: A name that no version of edgecat writes, or no file.
        """
        if self.name not in VARIANTS:
            raise ValueError(f"variant {self.name!r} is none of {', '.join(VARIANTS)}")
        if not self.files:
            raise ValueError(f"variant {self.name!r} names no file")
        if self.ood_threshold is not None and not math.isfinite(self.ood_threshold):
            raise ValueError(f"variant {self.name!r}: ood_threshold {self.ood_threshold}")

    @property
    def engine(self) -> str:
        """Return "onnxruntime" or "openvino"."""
        return self.name.split("-")[0]

    @property
    def precision(self) -> str:
        """Return "fp32", "bf16" or "int8": what was asked for, not what an engine runs."""
        return self.name.split("-")[1]


@dataclasses.dataclass(frozen=True)
class OodSpec:
    """How photos of known classes are told from others, see `edgecat.scores.ood`.

    Attributes:
        file: The file with the directions of known features.
        residual_weight: What the rest of a feature vector weighs, above 0.
    """

    file: str
    residual_weight: float


@dataclasses.dataclass(frozen=True)
class ModelSpec:
    """A bundle's manifest.

    Attributes:
        name: What a person calls the model.
        arch: One of `ARCHS`.
        labels: The classes, in the order of the logits.
        variants: At least one; `preferred_variants` says which is used when nobody asks.
        files: Every file of the bundle but the manifest, by name.
        input: The expected pixels.
        temperature: What logits are divided by before the softmax, above 0.
        ood: How photos of known classes are told from others; None where the model cannot.
        provenance: Where the model is from: data, weights, licence, recipe, seed, versions.
        schema_version: Of this manifest's form.
    """

    name: str
    arch: str
    labels: tuple[str, ...]
    variants: tuple[Variant, ...]
    files: dict[str, FileRecord]
    input: InputSpec = INPUT
    temperature: float = 1.0
    ood: OodSpec | None = None
    provenance: dict[str, Any] = dataclasses.field(default_factory=dict)
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        """Check the parts against each other.

        Raises:
            ValueError: They do not fit, or are of another version.
        """
        for name, value in vars(self).items():
            _check_plain(value, name)
        if self.arch not in ARCHS:
            raise ValueError(f"arch {self.arch!r} is none of {', '.join(ARCHS)}")
        if len(self.labels) < 2 or len(set(self.labels)) != len(self.labels):
            raise ValueError("labels must be at least two, each once")
        if self.input != INPUT:
            raise ValueError(f"input {self.input} is not what this edgecat makes: {INPUT}")
        if not 0 < self.temperature < 1000:
            raise ValueError(f"temperature {self.temperature} is not in (0, 1000)")
        names = [variant.name for variant in self.variants]
        if not names or len(set(names)) != len(names):
            raise ValueError("variants must be at least one, each once")
        for file in self.files:
            plain = file.isascii() and file.isprintable() and len(file) <= 255
            plain = plain and PurePosixPath(file).name == file and "\\" not in file
            if not plain or file in ("", ".", ".."):
                raise ValueError(f"file {file!r} is no plain name inside the bundle's folder")
        # Cards and sticks are often formatted so that "A" and "a" are one file.
        names = [name.casefold() for name in (*self.files, *NOT_IN_MANIFEST)]
        if len(set(names)) != len(names):
            raise ValueError(
                f"files {', '.join(self.files)}: must differ in more than upper and lower case, "
                f"also from {' and '.join(NOT_IN_MANIFEST)}"
            )
        for variant in self.variants:
            for file in variant.files:
                if file not in self.files:
                    raise ValueError(f"variant {variant.name}: file {file!r} is not in 'files'")
            if variant.ood_threshold is not None and self.ood is None:
                raise ValueError(f"variant {variant.name} has an ood_threshold, but no 'ood'")
        if self.ood is not None:
            if self.ood.file not in self.files:
                raise ValueError(f"ood: file {self.ood.file!r} is not in 'files'")
            if not 0 < self.ood.residual_weight < 1e6:
                raise ValueError(f"residual_weight {self.ood.residual_weight} is not in (0, 1e6)")

    def variant(self, name: str) -> Variant:
        """Return the variant of this name.

        Raises:
            BundleError: The bundle has none.
        """
        for variant in self.variants:
            if variant.name == name:
                return variant
        raise BundleError(
            f"{self.name}: no variant {name!r}; it has {', '.join(v.name for v in self.variants)}"
        )

    def preferred_variants(self, target: str) -> tuple[str, ...]:
        """Return the variants worth running on a kind of processor, the fastest first.

        Where latencies were measured on another kind, INT8 for ONNX Runtime is taken to be the
        fastest (benchmarks/results/*/int8_cpus.json). Without any verdict, the manifest's order.

        Args:
            target: One of `TARGETS`.
        """
        rated = [(v.verdict, v) for v in self.variants if v.verdict is not None]
        if not rated:
            return tuple(variant.name for variant in self.variants)

        def cost(verdict: Verdict, variant: Variant) -> tuple[float, bool, bool]:
            ratio = verdict.latency_ratio if verdict.measured_on == target else 0.0
            return ratio, variant.precision != "int8", variant.engine != "onnxruntime"

        ships = sorted((cost(*pair), pair[1].name) for pair in rated if target in pair[0].ships_to)
        return tuple(name for _, name in ships)

    def to_json(self) -> str:
        """Return the manifest's text, the same for the same content."""
        return json.dumps(dataclasses.asdict(self), indent=1, ensure_ascii=False) + "\n"

    @staticmethod
    def from_json(text: str, where: str) -> "ModelSpec":
        """Read a manifest.

        Args:
            text: JSON.
            where: The file's name, for messages.

        Raises:
            BundleError: Not JSON, an unknown or missing key, a wrong type, another version.
        """
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise BundleError(f"{where}: not JSON ({error}); export the bundle again") from error
        # First of all: the keys of another version would be called unknown.
        version = values.get("schema_version") if isinstance(values, Mapping) else None
        if isinstance(version, int) and version != SCHEMA_VERSION:
            if version != 1:
                raise BundleError(
                    f"{where}: schema_version {version}, but this edgecat reads 1 to "
                    f"{SCHEMA_VERSION}; export the run again with this version"
                )
            values = schema1.upgrade(values)
        return build(ModelSpec, values, where, BundleError)


def _check_plain(value: object, where: str, depth: int = 0) -> None:
    # Texts end up in terminals and in UTF-8, nested values in functions that call themselves; and
    # JSON proper has neither infinity nor NaN.
    if depth > _MAX_DEPTH:
        raise ValueError(f"{where}: nested deeper than {_MAX_DEPTH} levels")
    if dataclasses.is_dataclass(value):
        value = vars(value)
    if isinstance(value, str) and not _PLAIN_TEXT.fullmatch(value):
        raise ValueError(f"{where}: text {value[:60]!a} has control characters or is no Unicode")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{where}: {value} is no number that JSON has")
    if isinstance(value, Mapping):
        value = (*value, *value.values())
    if isinstance(value, tuple | list):
        for item in value:
            _check_plain(item, where, depth + 1)
