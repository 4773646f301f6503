"""What a run's record says of whom and what it learned from, beside its labelled photos."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class TeacherRecord:
    """The finished run whose network taught another one.

    Attributes:
        arch: Its network.
        weights: What that started from.
        model_sha256: Of its weights, hex.
        val_top1_ratio: On the validation photos of its own run, 0-1.
        test_top1_ratio: On the test photos of its own run, 0-1.
    """

    arch: str
    weights: str
    model_sha256: str
    val_top1_ratio: float
    test_top1_ratio: float


@dataclasses.dataclass(frozen=True)
class ParentRecord:
    """The finished run whose network, edited, another one started from.

    Attributes:
        run: Its folder, absolute.
        arch: Its network; that of the run is the same with further edits.
        model_sha256: Of its weights, hex.
        val_top1_ratio: On the same validation photos, 0-1.
    """

    run: str
    arch: str
    model_sha256: str
    val_top1_ratio: float


@dataclasses.dataclass(frozen=True)
class AddedRecord:
    """Reviewed photos that were added to the data set.

    Attributes:
        folder: Of the kept photos, absolute.
        num_photos: How many are used, by split; "out": nearly the same as others.
        num_gone: Photos with a label that were gone.
        new_labels: The classes that only these photos have.
    """

    folder: str
    num_photos: dict[str, int]
    num_gone: int
    new_labels: tuple[str, ...]

    def __str__(self) -> str:
        """Return the line that a run prints."""
        num, new = self.num_photos, ", ".join(self.new_labels)
        classes = f"; new classes: {new}" if new else ""
        return (
            f"reviewed photos, of these: {num['train']} train, {num['val']} validate, "
            f"{num['test']} test; {num['out']} left out (nearly the same as others){classes}"
        )


@dataclasses.dataclass(frozen=True)
class UnlabelledRecord:
    """Photos without labels that a teacher answered, too.

    Attributes:
        sha256: Of the list of the hashes of those that were learned from, in order of their paths.
        num_learned: How many these are.
        num_duplicates: Photos left out, since they are nearly the same as others.
        num_unknown: Photos left out, since the teacher takes them for none of the classes.
        folder: Where they were, absolute; None of runs from before that was kept.
    """

    sha256: str
    num_learned: int
    num_duplicates: int
    num_unknown: int
    folder: str | None = None

    def __str__(self) -> str:
        """Return the line that a run prints."""
        return (
            f"{self.num_learned} photos without labels are learned from; left out: "
            f"{self.num_duplicates} near-duplicates, {self.num_unknown} that the teacher takes "
            "for none of the classes"
        )
