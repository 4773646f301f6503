"""Work that may crash, done in a process of its own."""

import contextlib
import multiprocessing
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from edgecat.errors import EdgecatError, EngineError

# Longer than any import or self-test takes, on emulated processors too.
_TIMEOUT_S = 300


class CrashError(EngineError):
    """Work that took its process down, or did not end."""


def run_apart(what: str, action: Callable[[], Any]) -> Any:
    """Return what an action returns, done in a copy of this process.

    A copy and not a fresh process: under an emulator, and where `sys.executable` is another
    Python, a fresh one would not be this one. Call it before threads are started.

    Args:
        what: Is being done, for messages: "import onnxruntime".
        action: Returns what can be pickled.

    Raises:
        EdgecatError: The action raised it.
        EngineError: The action raised something else.
        CrashError: The action crashed, or took more than five minutes.
    """
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_report, args=(sender, action), daemon=True)
    process.start()
    sender.close()  # so that the receiver sees the end when the process dies
    try:
        outcome = receiver.recv() if receiver.poll(_TIMEOUT_S) else None
    except EOFError:
        process.join()
        raise CrashError(f"{what}: crashed ({_describe_exit(process.exitcode)})") from None
    finally:
        process.kill()
        process.join()
    if outcome is None:
        raise CrashError(f"{what}: not done after {_TIMEOUT_S} s")
    if isinstance(outcome, EdgecatError):
        raise outcome
    return outcome


def _report(sender: Connection, action: Callable[[], Any]) -> None:
    # Ctrl-C reaches the copy too; it is the original that stops, and stops it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    outcome: object
    try:
        outcome = action()
    except EdgecatError as error:
        outcome = error
    except Exception as error:  # of a library that is not whole, anything may come
        outcome = EngineError(f"{type(error).__name__}: {error}")
    with contextlib.suppress(BrokenPipeError):  # the original was ended meanwhile
        sender.send(outcome)


def _describe_exit(exitcode: int | None) -> str:
    """Return "SIGILL" for a process that was ended by it."""
    if exitcode is not None and exitcode < 0:
        return signal.Signals(-exitcode).name
    return f"exit code {exitcode}"
