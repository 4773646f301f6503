"""What an export came to, as the files and the manifest of a bundle."""

import dataclasses
from importlib.metadata import version
from pathlib import Path
from typing import Any

from edgecat.bundle.golden import GOLDEN_FILE
from edgecat.bundle.gzipped import compress
from edgecat.bundle.known_features import KNOWN_FEATURES_FILE
from edgecat.bundle.manifest import FileRecord, ModelSpec, OodSpec
from edgecat.bundle.photo_record import PHOTO_RECORD_FILE, record_photos
from edgecat.bundle.plain import name_bundle
from edgecat.bundle.reference import REFERENCE_FILE
from edgecat.bundle.store import new_bundle, write_manifest
from edgecat.export.floats import FloatGraph, ProvenFloats
from edgecat.export.int8 import Int8Models
from edgecat.export.maker import list_packages
from edgecat.export.scoring import RatedModels
from edgecat.export.sets import Source
from edgecat.quantize.model import Model
from edgecat.scores.ood import OOD_FILE
from edgecat.train.finished import Checkpoint
from edgecat.train.unfold import STATISTICS_FILE


@dataclasses.dataclass(frozen=True)
class Contents:
    """What the stages of an export came to.

    Attributes:
        source: The run that was exported.
        graph: Its float graph.
        floats: The proofs that the float models answer as the checkpoint.
        int8: What the searches for INT8 came to.
        models: All that the bundle holds.
        rated: What they are worth.
    """

    source: Source
    graph: FloatGraph
    floats: ProvenFloats
    int8: Int8Models
    models: tuple[Model, ...]
    rated: RatedModels


def write_contents(contents: Contents, out: Path) -> ModelSpec:
    """Write a bundle, whole or not at all, and return its manifest.

    Args:
        contents: Of the bundle.
        out: The bundle to make or replace.

    Raises:
        BundleError: Something that is no bundle stands at `out`.
        StorageError: The disk is full; a bundle that stood there is intact.
    """
    files = _list_files(contents)
    record = contents.source.checkpoint.record
    spec = ModelSpec(
        name=name_bundle(out),
        arch=record.arch,
        labels=record.labels,
        variants=contents.rated.variants,
        files={name: FileRecord.of(files[name]) for name in sorted(files)},
        input=record.input,
        temperature=contents.rated.temperature,
        ood=OodSpec(OOD_FILE, contents.rated.detector.residual_weight),
        provenance=_describe_origin(contents.source.checkpoint) | _describe_proofs(contents),
    )
    with new_bundle(out) as folder:
        for name, data in files.items():
            (folder / name).write_bytes(data)
        write_manifest(folder, spec)
    return spec


def _list_files(contents: Contents) -> dict[str, bytes]:
    record = record_photos(contents.source.checkpoint.split, contents.source.sets.calibration)
    files = {
        PHOTO_RECORD_FILE: record.to_json().encode(),
        STATISTICS_FILE: contents.graph.files[1],
        OOD_FILE: contents.rated.detector.to_bytes(),
        KNOWN_FEATURES_FILE: contents.rated.known.to_bytes(),
        REFERENCE_FILE: contents.rated.reference.to_json().encode(),
        GOLDEN_FILE: contents.rated.golden.to_json().encode(),
    }
    for model in contents.models:
        for name, data in zip(model.variant.files, model.files, strict=True):
            files[name] = compress(name, data)
    return files


def _describe_proofs(contents: Contents) -> dict[str, Any]:
    """Return what was proven and tried."""
    budget, parities = contents.int8.budget, contents.floats.parities
    return {
        "graph_passes": contents.graph.changes,
        "imitated": [
            model.variant.name for model in contents.models if model.imitation is not None
        ],
        "parity": {name: dataclasses.asdict(parity) for name, parity in parities.items()},
        "num_calibration": len(contents.source.sets.calibration),
        "budget": dataclasses.asdict(budget) if budget else None,
        "search": {name: found.to_dict() for name, found in contents.int8.searches.items()},
    }


def _describe_origin(checkpoint: Checkpoint) -> dict[str, Any]:
    """Return where a model is from; nothing of the machine that made it."""
    origin = checkpoint.record.to_provenance()
    packages = {name: version(name) for name in ("onnx", *list_packages())}
    return origin | {
        "num_near_duplicates": checkpoint.split.num_duplicates,
        "versions": origin["versions"] | packages,
    }
