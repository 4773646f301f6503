"""What a client may want to know of the model that answers."""

import contextlib
import dataclasses
from importlib import metadata
from typing import Any

from edgecat import __version__
from edgecat.runtime.classifier import Classifier


def describe_model(classifier: Classifier) -> dict[str, Any]:
    """Return plain values: name, labels, variant, versions, input and test score."""
    spec = classifier.bundle.spec
    variant = spec.variant(classifier.variant)
    return {
        "name": spec.name,
        "arch": spec.arch,
        "labels": list(spec.labels),
        "variant": variant.name,
        "says_unknown": variant.ood_threshold is not None,
        "versions": _versions(variant.engine),
        "schema_version": spec.schema_version,
        "input": dataclasses.asdict(spec.input),
        "score": None if variant.score is None else dataclasses.asdict(variant.score),
    }


def _versions(engine: str) -> dict[str, str]:
    """Return the version of edgecat and, where its package has the engine's name, of that one."""
    versions = {"edgecat": __version__}
    with contextlib.suppress(metadata.PackageNotFoundError):
        versions[engine] = metadata.version(engine)
    return versions
