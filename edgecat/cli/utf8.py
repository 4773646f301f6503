"""Names and results are UTF-8 in every locale, as from Python 3.15 on by itself (PEP 686)."""

import contextlib
import io
import os
import sys


def ensure_utf8() -> None:
    """Start the process again in Python's UTF-8 mode where the locale has another encoding.

    In the locale C, or one of Latin-1, Python takes the bytes of a folder called "Кошка" for
    something else, and cannot print its label. What is started by this process inherits the mode.
    """
    if sys.getfilesystemencoding() == "utf-8" or os.environ.get("PYTHONUTF8") == "1":
        return
    os.environ["PYTHONUTF8"] = "1"
    with contextlib.suppress(OSError):  # goes on as it is, and says of each name what is wrong
        os.execv(sys.executable, sys.orig_argv)


def escape_what_cannot_be_written() -> None:
    """Write characters that the output's encoding lacks (PYTHONIOENCODING) as escapes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


def writes_utf8() -> bool:
    """Return whether standard output takes any text as it is."""
    return (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
