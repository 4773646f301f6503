"""Where this device keeps what it has learned: a folder that outlives bundles and updates."""

import os
from pathlib import Path

from edgecat.errors import StorageError


def find_state_folder() -> Path:
    """Return the folder, whether it is there or not: systemd's for a unit, else the user's own.

    Raises:
        StorageError: The user has no home.
    """
    # systemd.exec(5): where a unit may write; several are parted by colons.
    if systemd := os.environ.get("STATE_DIRECTORY", "").partition(":")[0]:
        return Path(systemd)
    # XDG Base Directory Specification: a relative path counts as none.
    state = Path(os.environ.get("XDG_STATE_HOME", ""))
    try:
        return (state if state.is_absolute() else Path.home() / ".local/state") / "edgecat"
    except RuntimeError as error:
        raise StorageError(
            f"no folder to keep anything in ({error}); let XDG_STATE_HOME name one that lasts and "
            "that this user may write to"
        ) from error
