"""A classifier whose bundle may be replaced while it answers."""

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgecat.bundle import MANIFEST, find_bundle
from edgecat.errors import EdgecatError
from edgecat.pixels import Photo, Pixels
from edgecat.runtime.classifier import Classifier
from edgecat.runtime.prediction import Answer, Prediction
from edgecat.selftest import run_self_test

# Names a bundle at a path: where the path leads to, and which manifest stands there.
_Identity = tuple[str, int, int, int]


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

    def predict(self, photo: Photo, *, top: int = 5) -> Prediction:
        """Say what one photo shows, as `Classifier.predict`."""
        return self._current.predict(photo, top=top)

    def answer(self, pixels: Pixels) -> Answer:
        """Return what the model computes, as `Classifier.answer`."""
        return self._current.answer(pixels)

    def judge(self, answers: Sequence[Answer], *, top: int = 5) -> Prediction:
        """Make a prediction of answers, as `Classifier.judge`."""
        return self._current.judge(answers, top=top)

    def reload(self) -> None:
        """Open what stands at the path now and go over to it.

        Raises:
            EdgecatError: It is refused; the old one stays in use.
        """
        with self._reloading:
            self._identity = self._look()
            try:
                # The old one is not closed: it goes when the last answer under way is given.
                self._current = self._open()
            except EdgecatError as error:
                self.refusal = str(error)
                raise
            self.refusal = None

    def reload_if_changed(self) -> bool:
        """Reload if another bundle stands at the path than the last time; return whether it did.

        Raises:
            EdgecatError: As `reload`, once for each bundle that is refused.
        """
        if self._look() == self._identity:
            return False
        self.reload()
        return True

    def _look(self) -> _Identity | None:
        real = Path(os.path.realpath(self.path))
        try:
            found = (real / MANIFEST).stat()
        except OSError:
            return None
        return str(real), found.st_ino, found.st_mtime_ns, found.st_size

    def _open(self) -> Classifier:
        classifier = Classifier.open(self.path.resolve(), self._variant, **self._options)
        run_self_test(classifier.bundle, classifier.engine)
        return classifier
