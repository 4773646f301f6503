"""Class folders' names, the labels that they stand for, and the names that are refused."""

import itertools
import shlex
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from edgecat.errors import ConfigError, DatasetError
from edgecat.photos.tree import is_litter

# What no name on Windows may hold, and names of its devices. Source: Microsoft, "Naming Files,
# Paths, and Namespaces".
_NEVER_IN_NAMES = frozenset('<>:"/\\|?*')
_PORTS = {f"{port}{number}" for port in ("com", "lpt") for number in range(1, 10)}
_DEVICES = {"con", "prn", "aux", "nul"} | _PORTS

#: What a model answers where a photo shows none of its classes; no class is called so.
UNKNOWN = "unknown"

# Of a file's name on Linux's file systems; others take 255 letters.
_MAX_NAME_BYTES = 255


def label_of(folder: str) -> str:
    """Return the label that a class folder's name stands for: `_` is written for a blank."""
    return " ".join(unicodedata.normalize("NFC", folder).replace("_", " ").split()) or folder


def check_new_label(label: str, known: Iterable[str]) -> str:
    """Return a label that a person typed as it will be kept: it can be a folder's name everywhere.

    Args:
        label: What was typed.
        known: The labels that there are; it is none of them.

    Raises:
        ConfigError: It cannot be such a name, is what models call none of their classes, or is
            there already, if in other letters.
    """
    text = label_of(label).strip()
    if reason := _find_flaw(text):
        raise ConfigError(f"label {text[:80]!r}: {reason}; choose another name")
    alike = {label_of(other).casefold(): other for other in known}
    if (other := alike.get(text.casefold())) is not None:
        raise ConfigError(
            f"label {text!r}: {other!r} is there already (upper and lower case, blanks and the "
            f"Unicode form of a letter do not count); choose {other!r} for photos of it, or "
            "another name for another class"
        )
    return text


def _find_flaw(text: str) -> str:
    """Return why a text can be no folder's name on some system; "" where it can be one."""
    if not text or not text.isprintable():
        return "a label is one line of printable text"
    if text.casefold() == UNKNOWN:
        return "is what a model answers where a photo shows none of its classes"
    if len(text.encode()) > _MAX_NAME_BYTES:
        return f"longer than the {_MAX_NAME_BYTES} bytes of a file's name"
    if refused := sorted(_NEVER_IN_NAMES & set(text)):
        return f"{' '.join(refused)} cannot stand in a folder's name on every system"
    if is_litter(text) or text.endswith("."):
        return "a folder that begins or ends with a dot, or is called so, is hidden or refused"
    if text.partition(".")[0].strip().casefold() in _DEVICES:
        return "Windows has a device of that name"
    return ""


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
