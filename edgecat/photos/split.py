"""Which photos train, which validate, which test: seeded, stratified, without leaks.

Photos that are the same or nearly so (a copy, another size, another compression, the next frame)
always land in the same split: otherwise the test would ask what training has told.
"""

import dataclasses
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

from edgecat.errors import DatasetError
from edgecat.photos.pixels import Pixels
from edgecat.strict import build, read_json

#: 256 bits, packed: uint64 `[4]`.
Fingerprint = npt.NDArray[np.uint64]

# Of all pairs among 1,900 photos of 12 cat breeds, 18 differ in at most 27 bits and are the same
# scene to the eye; the next pair differs in 38 and is not. Copies at another size or quality stay
# below 10.
_NEAR_BITS = 32

# A class needs a photo to test and one to validate with, and some to learn from.
MIN_PHOTOS = 5


@dataclasses.dataclass(frozen=True)
class SplitPhoto:
    """A photo of a data set and where it belongs.

    Attributes:
        path: From the folder that holds the classes or the splits, with `/`.
        label: Its class.
        sha256: Of its bytes, hex.
        split: "train", "val", "test", or "out" for a photo left out: of a ready-made training
            split because validation or test holds the same one, or of all because the same photo
            has another label, too.
    """

    path: str
    label: str
    sha256: str
    split: str


@dataclasses.dataclass(frozen=True)
class Split:
    """A data set, divided.

    Attributes:
        seed: What it was drawn with.
        num_duplicates: Photos that have an equal or nearly equal one before them.
        photos: All photos, in the order in which they were found.
    """

    seed: int
    num_duplicates: int
    photos: tuple[SplitPhoto, ...]

    def indices(self, split: str) -> list[int]:
        """Return the positions of the photos of a split."""
        return [i for i, photo in enumerate(self.photos) if photo.split == split]

    def labels(self) -> tuple[str, ...]:
        """Return the classes, sorted: their order is the order of the logits."""
        return tuple(sorted({photo.label for photo in self.photos}))

    def to_json(self) -> str:
        """Return the split as text, a line a photo."""
        photos = ",\n".join(" " + json.dumps(dataclasses.asdict(photo)) for photo in self.photos)
        head = json.dumps({"seed": self.seed, "num_duplicates": self.num_duplicates})
        return f'{head[:-1]}, "photos": [\n{photos}\n]}}\n'

    @staticmethod
    def from_json(text: str, where: str) -> "Split":
        """Read a split.

        Raises:
            DatasetError: Not a split, or of another version.
        """
        return build(Split, read_json(text, where, DatasetError), where, DatasetError)


def fingerprint_photo(scaled: Pixels) -> Fingerprint:
    """Return a photo's difference hash: for 16 x 16 places, whether it gets brighter to the right.

    Source: Krawetz, "Kind of Like That" (hackerfactor.com, 2013), at 16 x 16 instead of 8 x 8:
    with 64 bits, plain black cats come too near to each other.

    Args:
        scaled: uint8 `[H, W, 3]`, RGB.
    """
    small = Image.fromarray(scaled).convert("L").resize((17, 16), Image.Resampling.BILINEAR)
    grey = np.asarray(small)
    return np.packbits(grey[:, 1:] > grey[:, :-1]).view(np.uint64)


def group_photos(fingerprints: Sequence[Fingerprint]) -> list[int]:
    """Return for each photo the position of the first one of its group of (near-)duplicates.

    Args:
        fingerprints: As `fingerprint_photo` returns them.
    """
    first = np.arange(len(fingerprints))
    for i, near in find_near(fingerprints):
        if (first[near] != first[i]).any():
            joined = first[[i, *near]]
            first[np.isin(first, joined)] = joined.min()
    return [*map(int, first)]


def find_new(fingerprints: Sequence[Fingerprint], num_before: int) -> list[int]:
    """Return the positions of photos that are like none before them.

    Args:
        fingerprints: As `fingerprint_photo` returns them.
        num_before: So many come first, and are not asked.
    """
    groups = group_photos(fingerprints)
    return [i for i in range(num_before, len(groups)) if groups[i] == i]


def find_near(fingerprints: Sequence[Fingerprint]) -> Iterator[tuple[int, npt.NDArray[np.int64]]]:
    """Yield each photo that others behind it are the same as, or nearly, and these: positions.

    Args:
        fingerprints: As `fingerprint_photo` returns them.
    """
    # Half of the bits tell nearly all pairs apart, and the others are asked of the rest only; by
    # columns of 64 bits, since sums over rows are slow.
    rows = np.array(fingerprints, np.uint64).reshape(-1, 4)
    first, second = np.ascontiguousarray(rows[:, :2].T)
    for i, row in enumerate(rows):
        rest = slice(i + 1, None)
        half = np.bitwise_count(first[rest] ^ row[0]) + np.bitwise_count(second[rest] ^ row[1])
        maybe = i + 1 + np.flatnonzero(half <= _NEAR_BITS)
        near = maybe[np.bitwise_count(rows[maybe] ^ row).sum(axis=1) <= _NEAR_BITS]
        if len(near):
            yield i, near


def deal_photos(
    labels: Sequence[str],
    ready: Sequence[str | None],
    groups: Sequence[int],
    *,
    seed: int,
    val_ratio: float,
    test_ratio: float,
) -> list[str]:
    """Return the split of each photo: the one its folder says; what no folder says is dealt.

    Args:
        labels: The class of each photo.
        ready: The split of each photo as its folder says; None of all where nothing is split yet.
        groups: The group of each photo, as `group_photos` returns it.
        seed: Same seed, same split.
        val_ratio: Share of each class to validate with, 0-1; of the training photos where only
            validation is missing.
        test_ratio: The same to test with.

    Raises:
        DatasetError: As `split_photos`, or a class whose training photos all stand in val or test.
    """
    if not any(ready):
        return split_photos(labels, groups, seed=seed, val_ratio=val_ratio, test_ratio=test_ratio)
    splits = keep_ready_split([str(split) for split in ready], groups)
    trains = [i for i, split in enumerate(splits) if split == "train"]
    if gone := sorted({*labels} - {labels[i] for i in trains}):
        raise DatasetError(
            f"no photo to train {', '.join(map(repr, gone))} with: all are the same as photos in "
            "val or test; add others to train"
        )
    wanted = {
        "val_ratio": None if "val" in ready else val_ratio,
        "test_ratio": None if "test" in ready else test_ratio,
    }
    if any(ratio is not None for ratio in wanted.values()):
        # Groups by positions in the training photos, as `split_photos` counts them.
        first: dict[int, int] = {}
        own = [first.setdefault(groups[i], number) for number, i in enumerate(trains)]
        dealt = split_photos([labels[i] for i in trains], own, seed=seed, **wanted)
        for i, split in zip(trains, dealt, strict=True):
            splits[i] = split
    return splits


def split_photos(
    labels: Sequence[str],
    groups: Sequence[int],
    *,
    seed: int,
    val_ratio: float | None,
    test_ratio: float | None,
) -> list[str]:
    """Deal photos out to "train", "val" and "test", class by class, whole groups at a time.

    Args:
        labels: The class of each photo.
        groups: The group of each photo, as `group_photos` returns it.
        seed: Same seed, same split.
        val_ratio: Share of each class to validate with, 0-1; None to deal none.
        test_ratio: Share of each class to test with, 0-1; None to deal none.

    Raises:
        DatasetError: Fewer than two classes, or a class with too few different photos.
    """
    num_of = {label: labels.count(label) for label in dict.fromkeys(labels)}
    check_classes(num_of)
    splits = [""] * len(labels)
    members = defaultdict(list)
    for i, group in enumerate(groups):
        members[group].append(i)
    groups_of = defaultdict(list)
    for group in members:
        groups_of[labels[group]].append(group)
    rng = np.random.default_rng(seed)
    for label in sorted(num_of):
        # Large groups last, that is into training: small ones meet the wanted shares better.
        order = sorted(rng.permutation(groups_of[label]), key=lambda group: len(members[group]))
        if len(order) < MIN_PHOTOS:
            raise DatasetError(
                f"class {label!r} has {num_of[label]} photos, but only {len(order)} that differ; "
                f"at least {MIN_PHOTOS} different ones are needed"
            )
        # What is kept for the splits that come after.
        for split, ratio, kept in (
            ("test", test_ratio, 2),
            ("val", val_ratio, 1),
            ("train", 1.0, 0),
        ):
            if ratio is None:
                continue
            wanted = max(1, round(ratio * num_of[label]))
            dealt = 0
            while len(order) > kept and dealt < wanted:
                group = order.pop(0)
                dealt += len(members[group])
                for i in members[group]:
                    splits[i] = split
    return splits


def keep_ready_split(splits: Sequence[str], groups: Sequence[int]) -> list[str]:
    """Return a ready-made split in which no training photo equals one to validate or test with.

    Args:
        splits: The split of each photo as its folder says.
        groups: The group of each photo.

    Returns:
        The same, but "out" for each photo that equals one of a split that is kept cleaner: test
        photos stay, validation photos equal to one go, training photos equal to either go.
    """
    in_test = {group for split, group in zip(splits, groups, strict=True) if split == "test"}
    in_val = {group for split, group in zip(splits, groups, strict=True) if split == "val"}
    leaks = {"test": set(), "val": in_test, "train": in_test | in_val}
    return [
        "out" if group in leaks[split] else split
        for split, group in zip(splits, groups, strict=True)
    ]


def check_classes(num_of: dict[str, int]) -> None:
    """Refuse a data set that cannot be learned from.

    Args:
        num_of: The number of photos of each class.

    Raises:
        DatasetError: Fewer than two classes, or a class with fewer than `MIN_PHOTOS` photos.
    """
    if len(num_of) < 2:
        raise DatasetError(
            f"one class only ({', '.join(num_of)}); a classifier needs photos of at least two, a "
            "sub-folder each"
        )
    small = [f"{label!r} ({num})" for label, num in num_of.items() if num < MIN_PHOTOS]
    if small:
        raise DatasetError(
            f"too few photos in {', '.join(small)}; each class needs at least {MIN_PHOTOS}"
        )
