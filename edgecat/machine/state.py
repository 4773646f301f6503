"""Where this device keeps what it has learned: a folder that outlives bundles and updates.

And where it keeps what it can make again.
"""

import os
from pathlib import Path

from edgecat.errors import StorageError


def find_state_folder() -> Path:
    """Return the folder, whether it is there or not: systemd's for a unit, else the user's own.

    Raises:
        StorageError: The user has no home.
    """
    return _find("STATE_DIRECTORY", "XDG_STATE_HOME", ".local/state")


def find_cache_folder() -> Path:
    """Return the folder of what may be deleted at any time, as `find_state_folder` does.

    Raises:
        StorageError: The user has no home.
    """
    return _find("CACHE_DIRECTORY", "XDG_CACHE_HOME", ".cache")


def _find(of_unit: str, of_user: str, below_home: str) -> Path:
    """Return a folder that an environment variable names, or one below the user's home.

    Args:
        of_unit: systemd.exec(5): where a unit may write; several are parted by colons.
        of_user: XDG Base Directory Specification: a relative path counts as none.
        below_home: Where there is neither.

    Raises:
        StorageError: The user has no home.
    """
    if systemd := os.environ.get(of_unit, "").partition(":")[0]:
        return Path(systemd)
    given = Path(os.environ.get(of_user, ""))
    try:
        return (given if given.is_absolute() else Path.home() / below_home) / "edgecat"
    except RuntimeError as error:
        raise StorageError(
            f"no folder to keep anything in ({error}); let {of_user} name one that lasts and "
            "that this user may write to"
        ) from error
