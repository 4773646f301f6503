"""Tells of a lasting trouble when it begins and when it is over, not each time it is met."""

from edgecat.progress import Progress


class Troubles:
    """What is wrong at the moment."""

    def __init__(self, progress: Progress) -> None:
        """Begin without any.

        Args:
            progress: Told of beginnings and ends.
        """
        self._progress = progress
        self._present: set[str] = set()

    def begin(self, what: str, line: str) -> None:
        """Tell a line, unless this trouble is told of already."""
        if what not in self._present:
            self._present.add(what)
            self._progress.say(line)

    def end(self, what: str) -> None:
        """Tell that a trouble is over, if it was told of."""
        if what in self._present:
            self._present.remove(what)
            self._progress.say(f"{what}: well again")

    def forget(self, what: str) -> None:
        """Say nothing more of what is gone; if it comes again, its trouble is told again."""
        self._present.discard(what)
