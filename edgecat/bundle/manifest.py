"""What a bundle says of itself: labels, input, variants, scores, provenance <-> `bundle.json`."""

import dataclasses
import hashlib
import re
from collections.abc import Mapping
from typing import Any

from edgecat.bundle import schema1
from edgecat.bundle.plain import check_file_names, check_labels, check_plain
from edgecat.bundle.release import Release
from edgecat.bundle.score import Score
from edgecat.bundle.verdict import Verdict, check_ratios
from edgecat.errors import BundleError
from edgecat.photos.input import IMAGENET, InputSpec
from edgecat.scores.bounds import (
    OOD_SCORES,
    RESIDUAL_WEIGHTS,
    TEMPERATURES,
    check_count,
    check_within,
)
from edgecat.strict import build, read_json, to_json

SCHEMA_VERSION, SCHEMA_MINOR = 2, 2

#: Of a bundle with enrolled classes, whose models alone have too few logits: an older runtime has
#: to refuse it. All others stay readable there.
ENROLLED_VERSION = 3

#: The files of a bundle that its manifest does not name: the manifest, and the signature of it.
NOT_IN_MANIFEST = ("bundle.json", "bundle.sig")

# Well formed is what another edgecat, or an engine or network of somebody else, may have written;
# whether it is known here, they ask who need it.
# A network and its edits; these are known to `edgecat.train.edit`.
_ARCH = re.compile("[a-z0-9_]{1,64}([+][a-z0-9:=,-]{1,64}){0,32}")
# <engine>-<precision>: the same strings in the command line, in files and in JSON.
_VARIANT = re.compile("[a-z0-9]{1,32}-[a-z0-9]{1,32}")

_SHA256 = re.compile("[0-9a-f]{64}")


@dataclasses.dataclass(frozen=True)
class FileRecord:
    """One file of a bundle: hex SHA-256 of its bytes and their number."""

    sha256: str
    size_bytes: int

    def __post_init__(self) -> None:
        """Check the form.

        Raises:
            ValueError: No hex SHA-256, or a negative size.
        """
        if not _SHA256.fullmatch(self.sha256):
            raise ValueError(f"sha256 {self.sha256[:80]!r} is not 64 lower-case hex digits")
        check_count("size_bytes", self.size_bytes)

    @staticmethod
    def of(data: bytes) -> "FileRecord":
        """Return the record of a file with this content."""
        return FileRecord(hashlib.sha256(data).hexdigest(), len(data))


@dataclasses.dataclass(frozen=True)
class Variant:
    """One model for one engine at one precision.

    Attributes:
        name: <engine>-<precision>.
        files: The engine's files, the graph first ("x.onnx"; or "x.xml.gz", "x.bin"); one that
            ends in ".gz" is compressed (`edgecat.bundle.gzipped`).
        score: The test score, where one was measured.
        verdict: Where it is worth running, where that was measured.
        ood_threshold: OOD score (`edgecat.scores.ood`) above which a photo shows none of the known
            classes; None where the bundle cannot tell.
        instruction_ratios: By target, a photo's instructions by those of the reference, counted on
            emulated processors: the rule where no latency was measured, and no latency itself.
    """

    name: str
    files: tuple[str, ...]
    score: Score | None = None
    verdict: Verdict | None = None
    ood_threshold: float | None = None
    instruction_ratios: dict[str, float] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the parts.

        Raises:
            ValueError: No name of an engine and a precision, no file, or a threshold that is no
                score.
        """
        if not _VARIANT.fullmatch(self.name):
            raise ValueError(f"variant {self.name!r} is no <engine>-<precision>")
        if not self.files:
            raise ValueError(f"variant {self.name!r} names no file")
        if self.ood_threshold is not None:
            check_within(f"variant {self.name!r}: ood_threshold", self.ood_threshold, OOD_SCORES)
        check_ratios(self.instruction_ratios)

    @property
    def ships_to(self) -> tuple[str, ...]:
        """Return the targets for which it is worth running, by its verdict or else by the rule."""
        return self.verdict.ships_to if self.verdict else tuple(self.instruction_ratios)

    def expect_ratio(self, target: str) -> float:
        """Return its cost on a target by that of the bundle's first variant, as far as is known.

        That is the measured latency; where that was measured on another kind of processor, the
        instructions; where nobody counted them, the bits of a weight.

        Args:
            target: One of `ships_to`.
        """
        if self.verdict is not None and self.verdict.measured_on == target:
            return self.verdict.latency_ratio
        return self.instruction_ratios.get(target, self.num_bits / 32)

    @property
    def engine(self) -> str:
        """Return the name of the engine, see `edgecat.runtime.engine`."""
        return self.name.split("-")[0]

    @property
    def precision(self) -> str:
        """Return such as "fp32" or "int8": what was asked for, not what an engine runs."""
        return self.name.split("-")[1]

    @property
    def num_bits(self) -> int:
        """Return how many bits a weight of this precision has: the first number in its name."""
        found = re.search("[0-9]+", self.precision)
        return int(found[0]) if found else 32


@dataclasses.dataclass(frozen=True)
class OodSpec:
    """How photos of known classes are told from others, see `edgecat.scores.ood`.

    Attributes:
        file: The file with the directions of known features.
        residual_weight: What the rest of a feature vector weighs, above 0.
    """

    file: str
    residual_weight: float

    def __post_init__(self) -> None:
        """Check the weight.

        Raises:
            ValueError: One that no fit gives.
        """
        check_within("residual_weight", self.residual_weight, RESIDUAL_WEIGHTS)


@dataclasses.dataclass(frozen=True)
class ModelSpec:
    """A bundle's manifest.

    Attributes:
        name: What a person calls the model.
        arch: The network's name, see `edgecat.train.architecture`.
        labels: The classes, in the order of the logits.
        variants: At least one, the first a float one, against which the others were measured;
            `preferred_variants` says which is used when nobody asks.
        files: Every file of the bundle but the manifest, by name.
        input: The expected pixels.
        temperature: What logits are divided by before the softmax, 1/20 to 20.
        ood: How photos of known classes are told from others; None where the model cannot.
        enrolled: The file with the units of classes that were enrolled after the export, the last
            of the labels (`edgecat.bundle.enrolled`); None without any.
        provenance: Where the model is from: data, weights, licence, recipe, seed, versions.
        release: Which of its owner's releases it is; None where nobody has signed it.
        schema_version: Of this manifest's form; another one has other keys, or means others.
        schema_minor: A higher one only adds keys that an older runtime may pass over.
    """

    name: str
    arch: str
    labels: tuple[str, ...]
    variants: tuple[Variant, ...]
    files: dict[str, FileRecord]
    input: InputSpec = IMAGENET
    temperature: float = 1.0
    ood: OodSpec | None = None
    enrolled: str | None = None
    provenance: dict[str, Any] = dataclasses.field(default_factory=dict)
    release: Release | None = None
    schema_version: int = SCHEMA_VERSION
    schema_minor: int = SCHEMA_MINOR

    def __post_init__(self) -> None:
        """Check the parts against each other.

        Raises:
            ValueError: They do not fit, or are of another version.
        """
        for name, value in vars(self).items():
            check_plain(value, name)
        if not _ARCH.fullmatch(self.arch):
            raise ValueError(f"arch {self.arch!r} is no name of small letters, digits and _")
        check_labels(self.labels)
        check_count("schema_minor", self.schema_minor)
        check_within("temperature", self.temperature, TEMPERATURES)
        names = [variant.name for variant in self.variants]
        if not names or len(set(names)) != len(names):
            raise ValueError("variants must be at least one, each once")
        check_file_names((*self.files, *NOT_IN_MANIFEST))
        for variant in self.variants:
            for file in variant.files:
                if file not in self.files:
                    raise ValueError(f"variant {variant.name}: file {file!r} is not in 'files'")
            if variant.ood_threshold is not None and self.ood is None:
                raise ValueError(f"variant {variant.name} has an ood_threshold, but no 'ood'")
        if self.ood is not None and self.ood.file not in self.files:
            raise ValueError(f"ood: file {self.ood.file!r} is not in 'files'")
        if self.enrolled is not None and self.enrolled not in self.files:
            raise ValueError(f"enrolled: file {self.enrolled!r} is not in 'files'")
        if (self.schema_version == ENROLLED_VERSION) != (self.enrolled is not None):
            raise ValueError(
                f"schema_version {self.schema_version}: {ENROLLED_VERSION} is that of bundles with "
                "'enrolled', and of no others"
            )

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

    def size_bytes(self, variant: Variant) -> int:
        """Return the size of a variant's files."""
        return sum(self.files[file].size_bytes for file in variant.files)

    @property
    def reference(self) -> str:
        """Return the name of the variant that the others were measured against."""
        return self.variants[0].name

    @property
    def targets(self) -> tuple[str, ...]:
        """Return the kinds of processors that its verdicts are about; none without verdicts."""
        verdicts = [variant.verdict for variant in self.variants if variant.verdict is not None]
        return tuple(dict.fromkeys(name for verdict in verdicts for name in verdict.targets))

    def preferred_variants(self, target: str) -> tuple[str, ...]:
        """Return the variants worth running on a kind of processor, the fastest first.

        Of equals the one of fewer bits, then the first; without any verdict, the manifest's order.

        Args:
            target: One of `targets`.
        """
        if not self.targets:
            return tuple(variant.name for variant in self.variants)
        shipping = [variant for variant in self.variants if target in variant.ships_to]
        fastest = sorted(shipping, key=lambda each: (each.expect_ratio(target), each.num_bits))
        return tuple(variant.name for variant in fastest)

    def to_json(self) -> str:
        """Return the manifest's text, the same for the same content."""
        return to_json(dataclasses.asdict(self), indent=1) + "\n"

    @staticmethod
    def from_json(text: str, where: str) -> "ModelSpec":
        """Read a manifest.

        Args:
            text: JSON.
            where: The file's name, for messages.

        Raises:
            BundleError: Not JSON, an unknown or missing key, a key given twice, a wrong type, a
                number that no export writes, another version.
        """
        values = read_json(text, where, BundleError, "copy the bundle again or export it again")
        # First of all: the keys of another version would be called unknown.
        version = values.get("schema_version") if isinstance(values, Mapping) else None
        if isinstance(version, int) and version not in (SCHEMA_VERSION, ENROLLED_VERSION):
            if version != 1:
                raise BundleError(
                    f"{where}: schema_version {version}, but this edgecat reads 1 to "
                    f"{ENROLLED_VERSION}; export the run again with this version"
                )
            values = schema1.upgrade(values)
        minor = values.get("schema_minor") if isinstance(values, Mapping) else None
        is_newer = version != 1 and isinstance(minor, int) and minor > SCHEMA_MINOR
        return build(ModelSpec, values, where, BundleError, pass_unknown=is_newer)
