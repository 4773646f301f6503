"""edgecat: photo classifiers for small machines. Fine-tune, export, quantize, measure, run.

from edgecat import Classifier

print(Classifier.open("cats12").predict("cat.jpg").label)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgecat.bundle.store import Bundle, load_bundle
    from edgecat.errors import EdgecatError
    from edgecat.photos.pixels import load_pixels
    from edgecat.runtime.classifier import Classifier
    from edgecat.runtime.prediction import Guess, Prediction

__version__ = "0.1.0"

__all__ = [
    "Bundle",
    "Classifier",
    "EdgecatError",
    "Guess",
    "Prediction",
    "load_bundle",
    "load_pixels",
]

# Imported on first use: `edgecat --help` needs none of them.
_HOMES = {
    "Bundle": "bundle.store",
    "Classifier": "runtime.classifier",
    "EdgecatError": "errors",
    "Guess": "runtime.prediction",
    "Prediction": "runtime.prediction",
    "load_bundle": "bundle.store",
    "load_pixels": "photos.pixels",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'edgecat' has no attribute {name!r}")
    return getattr(import_module(f"edgecat.{_HOMES[name]}"), name)
