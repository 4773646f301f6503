"""Class folders' names, the labels that they stand for, and the names that are refused."""

import itertools
import shlex
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from edgecat.errors import DatasetError


def label_of(folder: str) -> str:
    """Return the label that a class folder's name stands for: `_` is written for a blank."""
    return " ".join(unicodedata.normalize("NFC", folder).replace("_", " ").split()) or folder


def check_names(folders: Iterable[str], where: str) -> None:
    """Refuse class folders whose names make no label, or two that a person cannot tell apart.

    Names that differ only in case, in Unicode form (macOS writes `é` as two characters) or in
    `_` for a blank are one folder on some disks and two on others.

    Args:
        folders: Paths of class folders; those in two splits may bear the same name.
        where: The data set, for messages.

    Raises:
        DatasetError: A name that is none, ends in a blank, or two that stand for one class.
    """
    alike: dict[str, list[str]] = defaultdict(list)
    for path in folders:
        _check_name(path, where)
        alike[label_of(_name(path)).casefold()].append(path)
    for paths in alike.values():
        for first, second in itertools.combinations(paths, 2):
            # In one folder they are twins; in two splits the same label, in any form, is one class.
            same_label = label_of(_name(first)) == label_of(_name(second))
            if _above(first) == _above(second) or not same_label:
                raise DatasetError(
                    f"{where}: class folders {_show(first)} and {_show(second)} differ only in "
                    "upper and lower case, blanks or the Unicode form of a letter; make them one: "
                    f"{_command(where, _merge(first, second))}; or rename one"
                )


def _check_name(path: str, where: str) -> None:
    """Refuse a name that makes no label.

    Raises:
        DatasetError: Not printable, only dots, or a blank at an end.
    """
    name = _name(path)
    if not label_of(name).isprintable():
        raise DatasetError(
            f"{f'{where}/{path}'!r}: a class folder's name becomes a label, so it must be "
            "printable text in UTF-8; rename it"
        )
    if label_of(name) in (".", ".."):
        raise DatasetError(f"{where}: class folder {path!r}: no name for a class; rename it")
    if name != name.strip():
        mended = f"{_above(path)}{name.strip()}"
        raise DatasetError(
            f"{where}: class folder {path!r}: its name begins or ends with a blank, which nobody "
            f"sees; rename it: {_command(where, f'mv {_quote(path)} {_quote(mended)}')}"
        )


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _above(path: str) -> str:
    return path[: len(path) - len(_name(path))]


def _merge(first: str, second: str) -> str:
    """Return the command that makes one class of two folders."""
    if _above(first) == _above(second):
        # -n and rmdir: of two photos with one name none is lost, and what is left is seen.
        return f"mv -n {_quote(second)}/* {_quote(first)}/ && rmdir {_quote(second)}"
    return f"mv {_quote(second)} {_quote(_above(second) + _name(first))}"


def _command(where: str, command: str) -> str:
    if Path(where).is_dir():
        return f"cd {shlex.quote(where)} && {command}"
    return f"{command}, and zip it again"


def _show(path: str) -> str:
    # In two Unicode forms a name looks the same: then only numbers tell them apart.
    return repr(path) if unicodedata.is_normalized("NFC", path) else f"{path!r} ({path!a})"


def _quote(path: str) -> str:
    """Return a path for a shell, so that what looks the same is not the same."""
    if unicodedata.is_normalized("NFC", path):
        return shlex.quote(path)
    escaped = path.replace("\\", "\\\\").replace("'", "\\'")
    return "$'" + "".join(c if c.isascii() else f"\\U{ord(c):08x}" for c in escaped) + "'"
