"""The cat half of Oxford-IIIT Pet, through torchvision, as a folder per breed."""

import shutil
from pathlib import Path

from edgecat import atomic
from edgecat.errors import DatasetError
from edgecat.progress import Progress, Silent
from edgecat.train.vision import import_torchvision

# Source: the data set's annotations/list.txt: "image class-id species breed-id", species 1 is cat.
_CAT = "1"


def make_oxford_cats(out: Path, progress: Progress | None = None) -> int:
    """Download the data set and copy its cats; return how many photos there are.

    The download stands in `OUT.download` and is used again by a second call; photos are copied,
    not changed.

    Args:
        out: Folder to make.
        progress: Told of each photo.

    Raises:
        DatasetError: `out` exists, or the data set is out of reach.
        StorageError: The disk is full.
    """
    progress = progress or Silent()
    if out.exists():
        raise DatasetError(f"{out}: exists; give --out another name, or remove it")
    download = out.with_name(f"{out.name}.download")
    pets = import_torchvision().datasets.OxfordIIITPet
    with atomic.storage_errors(download):
        download.mkdir(parents=True, exist_ok=True)
    try:
        pets(str(download), split="trainval", download=True)
    except (OSError, RuntimeError) as error:
        raise DatasetError(
            f"Oxford-IIIT Pet could not be fetched ({error}); try again, or put its "
            f"images.tar.gz and annotations.tar.gz into {download / 'oxford-iiit-pet'} and run the "
            "same command"
        ) from error
    folder = download / "oxford-iiit-pet"
    unpacked = f"remove {folder / 'images'} and {folder / 'annotations'} and run it again"
    if not (folder / "annotations" / "list.txt").is_file():
        raise DatasetError(f"{folder}: unpacked only in part; {unpacked}")
    listing = (folder / "annotations" / "list.txt").read_text(encoding="utf-8").splitlines()
    rows = [line.split() for line in listing if not line.startswith("#")]
    names = [row[0] for row in rows if row[2] == _CAT]
    with atomic.new_folder(out) as made, progress.phase("copy cats", len(names)) as step:
        for name in names:
            breed = made / name.rpartition("_")[0]
            breed.mkdir(exist_ok=True)
            if not (folder / "images" / f"{name}.jpg").is_file():
                raise DatasetError(f"{folder}: {name}.jpg is missing; {unpacked}")
            shutil.copyfile(folder / "images" / f"{name}.jpg", breed / f"{name}.jpg")
            step()
    return len(names)
