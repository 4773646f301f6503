"""The files and the manifest of a bundle with one more class."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from edgecat import __version__
from edgecat.bundle.enrolled import ENROLLED_FILE, load_enrolled, write_enrolled
from edgecat.bundle.golden import GOLDEN_FILE
from edgecat.bundle.known_features import (
    KNOWN_FEATURES_FILE,
    KnownFeatures,
    LabelledFeatures,
    load_known_features,
)
from edgecat.bundle.manifest import (
    ENROLLED_VERSION,
    SCHEMA_MINOR,
    FileRecord,
    ModelSpec,
    OodSpec,
    Variant,
)
from edgecat.bundle.photo_record import PHOTO_RECORD_FILE, load_photo_record, shorten_hashes
from edgecat.bundle.plain import name_bundle
from edgecat.bundle.reference import REFERENCE_FILE
from edgecat.bundle.store import Bundle, new_bundle, write_manifest
from edgecat.enroll.fitting import Material, Unit
from edgecat.enroll.proof import ProvenVariants
from edgecat.scores.head import Layer, add_enrolled
from edgecat.scores.ood import OodDetector, choose_threshold, fit_detector


@dataclasses.dataclass(frozen=True)
class Addition:
    """What a bundle gets.

    Attributes:
        label: The new class.
        hashes: The hex SHA-256 of its photos.
        material: What its unit was fitted to.
        unit: The unit.
        proven: The variants that were proven with it.
    """

    label: str
    hashes: tuple[str, ...]
    material: Material
    unit: Unit
    proven: ProvenVariants


def write_enrolled_bundle(before: Bundle, added: Addition, out: Path) -> ModelSpec:
    """Write a bundle with one more class, whole or not at all, and return its manifest.

    Args:
        before: The bundle without it.
        added: The class.
        out: The bundle to make or replace.

    Raises:
        BundleError: Something that is no bundle stands at `out`.
        StorageError: The disk is full; a bundle that stood there is intact.
    """
    detector = _fit_detector(added)
    files = _list_files(before, added, detector)
    spec = dataclasses.replace(
        before.spec,
        name=name_bundle(out),
        labels=(*before.spec.labels, added.label),
        variants=_list_variants(before.spec, added, detector),
        files={name: FileRecord.of(files[name]) for name in sorted(files)},
        ood=_describe_detector(before.spec, detector),
        enrolled=ENROLLED_FILE,
        provenance=before.spec.provenance | {"enrolled": _list_history(before, added)},
        release=None,
        schema_version=ENROLLED_VERSION,
        schema_minor=SCHEMA_MINOR,
    )
    with new_bundle(out) as folder:
        for name, data in files.items():
            (folder / name).write_bytes(data)
        write_manifest(folder, spec)
    return spec


def _fit_detector(added: Addition) -> OodDetector:
    """Return a detector that knows the new class, too, as well as an old one."""
    old, new = added.material.old, added.material
    num_times = max(1, round(len(old.features) / len(new.labels) / len(new.features)))
    features = np.concatenate([old.features, np.repeat(new.features, num_times, axis=0)])
    logits = np.concatenate([old.logits, np.repeat(new.logits, num_times, axis=0)])
    return fit_detector(add_enrolled(added.unit.layer, logits, features), features)


def _list_variants(spec: ModelSpec, added: Addition, detector: OodDetector) -> tuple[Variant, ...]:
    """Return the proven variants: with new thresholds, and without scores, which were others'.

    The threshold of the float model is chosen anew. Photos of old classes are not here to be
    answered by the others: each keeps its distance from the float model's.
    """
    held_out = added.material.held_out
    logits = add_enrolled(added.unit.layer, held_out.logits, held_out.features)
    chosen = choose_threshold(detector.ood_score(logits, held_out.features))
    base = spec.variants[0].ood_threshold
    return tuple(
        dataclasses.replace(
            variant,
            score=None,
            ood_threshold=None
            if variant.ood_threshold is None or base is None
            else chosen + variant.ood_threshold - base,
        )
        for variant in spec.variants
        if variant.name in added.proven.names
    )


def _describe_detector(spec: ModelSpec, detector: OodDetector) -> OodSpec | None:
    return spec.ood and OodSpec(spec.ood.file, detector.residual_weight)


def _list_files(before: Bundle, added: Addition, detector: OodDetector) -> dict[str, bytes]:
    spec = before.spec
    kept = {
        file
        for variant in spec.variants
        if variant.name in added.proven.names
        for file in variant.files
    }
    models = {file for variant in spec.variants for file in variant.files}
    # Nor how the classes before were answered: scores and shares are others with one class more.
    left = {*(models - kept), REFERENCE_FILE}
    files = {name: before.read(name) for name in spec.files if name not in left}
    record = load_photo_record(before)
    trained = (*record.train, *shorten_hashes(added.hashes))
    files |= {
        ENROLLED_FILE: write_enrolled(_join(load_enrolled(before), added.unit.layer)),
        GOLDEN_FILE: added.proven.golden.to_json().encode(),
        KNOWN_FEATURES_FILE: _add_features(before, added).to_bytes(),
        PHOTO_RECORD_FILE: dataclasses.replace(record, train=trained).to_json().encode(),
    }
    if spec.ood is not None:
        files[spec.ood.file] = detector.to_bytes()
    return files


def _join(units: Layer | None, unit: Layer) -> Layer:
    if units is None:
        return unit
    return Layer(
        np.vstack([units.weights, unit.weights]), np.concatenate([units.biases, unit.biases])
    )


def _add_features(before: Bundle, added: Addition) -> KnownFeatures:
    known, new = load_known_features(before), added.material.features
    train = LabelledFeatures(
        np.concatenate([known.train.features, new]),
        np.concatenate([known.train.targets, np.full(len(new), len(before.spec.labels))]),
    )
    return dataclasses.replace(known, train=train)


def _list_history(before: Bundle, added: Addition) -> list[dict[str, Any]]:
    """Return what was enrolled, this one last: how it was made, and from which bundle."""
    earlier = before.spec.provenance.get("enrolled", [])
    scores = {
        variant.name: variant.score.top1_ratio
        for variant in before.spec.variants
        if variant.score is not None
    }
    entry = {
        "label": added.label,
        "num_photos": len(added.hashes),
        "num_found_when_left_out": added.unit.num_found,
        "num_claimed": added.unit.num_claimed,
        "num_held_out": added.unit.num_held_out,
        "top1_ratio_before": scores,
        "left_out": added.proven.left_out,
        "manifest_sha256_before": FileRecord.of(before.manifest).sha256,
        "versions": {"edgecat": __version__, "numpy": np.__version__},
    }
    return [*earlier, entry] if isinstance(earlier, list) else [entry]
