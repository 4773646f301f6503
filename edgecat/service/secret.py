"""Secrets come from files, never from the command line, which every user of a machine can read."""

import os
import stat
from pathlib import Path

from edgecat.errors import ConfigError

# 16 random letters and digits are 95 bits: nobody guesses that over a network.
_MIN_TOKEN_CHARACTERS = 16
_MAX_TOKEN_CHARACTERS = 1024

_MAKE_TOKEN = "make one: (umask 077; openssl rand -hex 32 > FILE)"


def load_token(path: Path, *, option: str) -> str:
    """Return the token in a file.

    Args:
        path: The file.
        option: Whose value it is, for messages.

    Raises:
        ConfigError: As `load_secret`, or not one line of 16 or more characters.
    """
    text = load_secret(path, option=option, max_bytes=_MAX_TOKEN_CHARACTERS + 1, mend=_MAKE_TOKEN)
    token = text.strip()
    if not _MIN_TOKEN_CHARACTERS <= len(token) <= _MAX_TOKEN_CHARACTERS:
        raise ConfigError(
            f"{option} {path}: its token has {len(token)} characters; accepted are "
            f"{_MIN_TOKEN_CHARACTERS} to {_MAX_TOKEN_CHARACTERS}; {_MAKE_TOKEN}"
        )
    if not token.isascii() or not token.isprintable() or " " in token:
        raise ConfigError(
            f"{option} {path}: a token is one line of letters, digits and signs, without blanks; "
            f"{_MAKE_TOKEN}"
        )
    return token


def load_secret(path: Path, *, option: str, max_bytes: int, mend: str) -> str:
    """Return the text of a file that only its owner (and a group) may read.

    A group may, because systemd's LoadCredential= gives a service its file that way.

    Args:
        path: The file.
        option: Whose value it is, for messages.
        max_bytes: What is read; one byte more is returned of a longer file, for the caller to see.
        mend: How to make such a file.

    Raises:
        ConfigError: No such file, or everybody may read or change it.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(max_bytes + 1)
    except OSError as error:
        raise ConfigError(f"{option} {path}: {error.strerror}; {mend}") from error
    if mode & (stat.S_IROTH | stat.S_IWOTH):
        raise ConfigError(
            f"{option} {path}: everybody on this machine may read or change it (mode "
            f"{stat.S_IMODE(mode):04o}); chmod 600 {path}"
        )
    return data.decode("utf-8", "replace")
