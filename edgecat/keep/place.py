"""Where photos are kept that are worth a look, and how much of them."""

import dataclasses
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class KeepPlace:
    """Where photos are kept.

    Attributes:
        folder: Made if it is not there.
        max_bytes: What photos and answers may take; the oldest make room for new ones, but those
            that a person has given a label stay.
    """

    folder: Path
    max_bytes: int

    def describe(self) -> str:
        """Return what is kept, where, and how to get rid of it, in a line."""
        return (
            f"photos that are unknown or unsure, and a sample of the others, are kept in "
            f"{self.folder}, {self.max_bytes // 2**20} MB at most, the oldest make room; nothing "
            "leaves this machine, and deleting that folder deletes all of it"
        )
