"""Where the result of `edgecat tune` is kept, and who reads it back without trust.

Beside the bundle, so that whoever runs it on this machine finds it: `edgecat tune` is run by a
person, `edgecat watch` by a service with a user of its own. Not in the bundle's folder, which holds
what was signed and nothing else. Where no file can be written there, or the bundle is one of
edgecat's own, it is kept in the user's state folder, under the bundle's hash.

    first.edgecat/              the bundle
    first.edgecat.tuned.json    what was measured here
"""

import dataclasses
import errno
import hashlib
import os
import stat
from pathlib import Path

from edgecat import atomic
from edgecat.bundle.store import ASSETS, Bundle
from edgecat.errors import BundleError, StorageError
from edgecat.machine.cores import count_threads
from edgecat.machine.state import find_state_folder
from edgecat.runtime.tuning import Tuning, describe_setting

# A bundle of 20 variants, each with ten numbers of threads, is about 100 kB.
_MAX_BYTES = 2**20


@dataclasses.dataclass(frozen=True)
class Found:
    """What is kept for a bundle on this machine.

    Attributes:
        tuning: What holds; None if nothing does.
        path: Where that stands; None if nothing does.
        dropped: Why a file that is there does not count; "" if none was dropped.
    """

    tuning: Tuning | None = None
    path: Path | None = None
    dropped: str = ""


def find_tuning(bundle: Bundle) -> Found:
    """Return what was measured of a bundle on this machine, if it still holds.

    Whatever is wrong with a file, it is passed over: a bundle opens without it, too.

    Args:
        bundle: Opened.
    """
    dropped = []
    for path in (_own_place(bundle), _place_beside(bundle)):
        try:
            text = None if path is None else _read(path)
            if text is None:
                continue
            tuning = Tuning.from_json(text, str(path))
        except BundleError as error:
            dropped.append(str(error))
            continue
        except OSError as error:
            dropped.append(f"{path}: cannot be read ({error.strerror})")
            continue
        difference = _find_difference(tuning, bundle)
        if not difference:
            return Found(tuning, path)
        dropped.append(f"{path}: {difference}")
    return Found(dropped="; ".join(dropped))


def _find_difference(tuning: Tuning, bundle: Bundle) -> str:
    """Return why a tuning does not hold of a bundle here and now; "" if it does."""
    names = {variant.name for variant in bundle.spec.variants}
    if not names.issuperset(timing.variant for timing in tuning.timings):
        return "it names variants that the bundle does not have"
    if tuning.find(None, None, count_threads()) is None:
        return f"all of it needs more than {count_threads()} threads, which is what pays off here"
    return tuning.setting.find_difference(describe_setting(bundle))


def keep_tuning(bundle: Bundle, tuning: Tuning) -> Path:
    """Write a tuning where `find_tuning` looks for it; return the file.

    Raises:
        StorageError: It can be written neither beside the bundle nor in the state folder; or an
            older one there, which is found first, cannot be removed.
    """
    own, beside = _own_place(bundle), _place_beside(bundle)
    if beside is not None:
        try:
            atomic.write_text(beside, tuning.to_json())
        except OSError as error:  # such as a name that is too long: as if the folder were closed
            if own is None:
                raise StorageError(f"{beside}: cannot be written ({error.strerror})") from error
        except StorageError:
            if own is None:
                raise
        else:
            if own is not None:
                _remove_outdated(own, bundle)
            return beside
    own = own or find_state_folder()  # which says why there is none
    with atomic.storage_errors(own):
        own.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    atomic.write_text(own, tuning.to_json())
    return own


def _remove_outdated(own: Path, bundle: Bundle) -> None:
    """Remove a user's own tuning, which is found before a newer one beside the bundle.

    Raises:
        StorageError: It stays, and counts.
    """
    try:
        own.unlink(missing_ok=True)
    except OSError as error:  # of a folder that is closed to us, too, where nothing may stand
        if find_tuning(bundle).path == own:
            raise StorageError(
                f"{own}: an older tuning, which would go on counting, cannot be removed "
                f"({error.strerror}); remove it"
            ) from error


def _own_place(bundle: Bundle) -> Path | None:
    """Return where a user's own tuning stands; None if the user has no home."""
    sha256 = hashlib.sha256(bundle.manifest).hexdigest()
    try:
        return find_state_folder() / f"tuned-{sha256[:16]}.json"
    except StorageError:
        return None


def _place_beside(bundle: Bundle) -> Path | None:
    """Return where a tuning stands for all users; None for a bundle of edgecat's own."""
    real = Path(os.path.realpath(bundle.path))
    is_released = real.parent == ASSETS.resolve()
    return None if is_released else real.parent / f"{real.name}.tuned.json"


def _read(path: Path) -> bytes | None:
    """Return a file's content; None if there is none.

    Raises:
        BundleError: It is a link, a device or too large.
        OSError: It cannot be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:  # so nobody has written one
            return None
        if path.is_symlink():
            raise BundleError(f"{path}: a link; remove it") from error
        raise
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise BundleError(f"{path}: no plain file; remove it")
        text = file.read(_MAX_BYTES + 1)
    if len(text) > _MAX_BYTES:
        raise BundleError(f"{path}: larger than {_MAX_BYTES} bytes; remove it")
    return text
