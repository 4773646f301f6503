"""A classifier whose bundle may be replaced while it answers."""

import os
import threading
from pathlib import Path
from typing import Any

import numpy as np

from edgecat.bundle.store import find_bundle
from edgecat.errors import BundleError, EdgecatError
from edgecat.runtime.classifier import Classifier
from edgecat.runtime.selftest import run_self_test

# Names a bundle at a path: where the path leads to, and of each file there name, inode, time, size.
# Of each, not of the manifest alone: that comes first when a folder is copied, the models later.
_Identity = tuple[str, frozenset[tuple[str, int, int, int]]]


class LiveClassifier:
    """A classifier that goes over to a new bundle at the same path, if that one is good.

    A bundle that does not open or fails its self-test goes unused, and the old one answers on. May
    be called from several threads; answers under way end with the bundle that they began with.

    Attributes:
        path: Where the bundle is read from: a folder, or a link that is led to another one.
        refusal: Why the bundle that stands there now was refused; None if it is in use.
    """

    def __init__(self, bundle: str | Path, variant: str | None = None, **options: Any) -> None:
        """Open a bundle.

        Args:
            bundle: A folder, a link to one, or the name of a released model.
            variant: As for `Classifier.open`.
            **options: The same.

        Raises:
            EdgecatError: As `Classifier.open`.
        """
        self.path = find_bundle(bundle)
        self.refusal: str | None = None
        self._variant, self._options = variant, options
        self._reloading = threading.Lock()
        self._identity = self._look()
        self._current = self._open()

    @property
    def current(self) -> Classifier:
        """Return the classifier in use; take it once for all that has to fit together."""
        return self._current

    def reload(self) -> None:
        """Open what stands at the path now and go over to it.

        Raises:
            EdgecatError: It is refused; the old one stays in use.
        """
        with self._reloading:
            self._identity = self._look()
            try:
                opened = self._open()
                opened.bundle.prove_all()  # the old one answers meanwhile: there is time for it
                # The old one is not closed: it goes when the last answer under way is given.
                self._current = opened
            except EdgecatError as error:
                self.refusal = str(error)
                raise
            self.refusal = None

    def reload_if_changed(self) -> bool:
        """Reload if another bundle stands at the path than the last time; return whether it did.

        Raises:
            EdgecatError: As `reload`; again only when something of the bundle has changed.
        """
        if self._look() == self._identity:
            return False
        self.reload()
        return True

    def _look(self) -> _Identity | None:
        real = os.path.realpath(self.path)
        try:
            with os.scandir(real) as entries:
                found = [(entry.name, entry.stat(follow_symlinks=False)) for entry in entries]
        except OSError:
            return None
        return real, frozenset(
            (name, stat.st_ino, stat.st_mtime_ns, stat.st_size) for name, stat in found
        )

    def _open(self) -> Classifier:
        # A link is led elsewhere without a warning: what it leads to now. All else as it was given,
        # but for "./": a folder that is gone is not to become the released model of its name.
        real = os.path.realpath(self.path)
        given = str(self.path) if self.path.is_absolute() else f"./{self.path}"
        place = given if real == os.path.normpath(self.path.absolute()) else real
        try:
            classifier = Classifier.open(place, self._variant, **self._options)
            run_self_test(classifier.bundle, classifier.engine, classifier.choice.device)
            _judge_black(classifier)
        except OSError as error:  # a link that leads to no possible path, a folder closed to us
            raise BundleError(
                f"{self.path}: cannot be read ({error.strerror}); lead it to a bundle that can be"
            ) from error
        except MemoryError as error:
            raise BundleError(
                f"{self.path}: takes more memory than is left beside the one in use; restart, "
                "which opens it alone"
            ) from error
        return classifier


def _judge_black(classifier: Classifier) -> None:
    """Go the whole way once: whether a detector is the model's own, no file tells.

    Raises:
        EdgecatError: It does not answer, as it would not to the first photo.
    """
    side_px = classifier.bundle.spec.input.side_px
    classifier.answer(np.zeros((side_px, side_px, 3), np.uint8))
