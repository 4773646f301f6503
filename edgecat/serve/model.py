"""What a client may want to know of the model that answers."""

import dataclasses
from typing import Any

from edgecat import __version__
from edgecat.machine.packages import list_versions
from edgecat.runtime.classifier import Classifier
from edgecat.runtime.engine import find_engine


def describe_model(classifier: Classifier) -> dict[str, Any]:
    """Return plain values: name, labels, the variant and why this one, versions, input, score."""
    spec = classifier.bundle.spec
    variant = spec.variant(classifier.variant)
    return {
        "name": spec.name,
        "arch": spec.arch,
        "labels": list(spec.labels),
        "variant": variant.name,
        "choice": dataclasses.asdict(classifier.choice),
        "precision": classifier.precision,
        "says_unknown": variant.ood_threshold is not None,
        "versions": {"edgecat": __version__} | list_versions((find_engine(variant).package,)),
        "schema_version": spec.schema_version,
        "input": dataclasses.asdict(spec.input),
        "score": None if variant.score is None else dataclasses.asdict(variant.score),
    }
