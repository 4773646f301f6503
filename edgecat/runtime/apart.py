"""Work that may crash, or that others would disturb, done in a process of its own."""

import contextlib
import multiprocessing
import signal
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import Any

from edgecat.errors import EdgecatError, EngineError

# Longer than any import or self-test takes, on emulated processors too.
_TIMEOUT_S = 300

# What asks a process to stop.
_STOPPING = (signal.SIGINT, signal.SIGTERM)


class CrashError(EngineError):
    """Work that took its process down, or did not end."""


class Apart:
    """An object that lives in a copy of this process.

        with Apart("int8 with 2 threads", open_timer) as timer:
            times_ms = timer.call("measure_ms", 5)

    A copy and not a fresh process: under an emulator, and where `sys.executable` is another
    Python, a fresh one would not be this one. Make it before threads are started.
    """

    def __init__(
        self, what: str, make: Callable[[], Any], timeout_s: float | None = _TIMEOUT_S
    ) -> None:
        """Start the process; it makes the object when it is called first.

        Args:
            what: Is being done, for messages: "import onnxruntime".
            make: Returns the object.
            timeout_s: What a call may take; None for any time.

        Raises:
            KeyboardInterrupt: Ctrl-C meanwhile; the process is ended.
        """
        self._what, self._timeout_s = what, timeout_s
        context = multiprocessing.get_context("fork")
        self._connection, far_end = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(far_end, self._connection, make), daemon=True
        )
        try:
            with _hold_signals():  # or Ctrl-C meets a copy that does not yet know to pass it over
                self._process.start()
            far_end.close()  # so that this end sees the process die
        except KeyboardInterrupt:  # which waited; a copy at work would be waited for at the end
            self.close()
            raise

    def call(self, method: str, *arguments: Any) -> Any:
        """Return what a method of the object returns; both ways only what can be pickled.

        Raises:
            EdgecatError: The method, or making the object, raised it.
            EngineError: It raised something else.
            CrashError: The process crashed, or took longer than it may.
        """
        try:
            self._connection.send((method, arguments))
            outcome = self._connection.recv() if self._connection.poll(self._timeout_s) else None
        except (EOFError, BrokenPipeError, ConnectionResetError):
            self._process.join()
            reason = _describe_exit(self._process.exitcode)
            raise CrashError(f"{self._what}: crashed ({reason})") from None
        if outcome is None:
            self.close()
            raise CrashError(f"{self._what}: not done after {self._timeout_s:g} s")
        (result,) = outcome
        if isinstance(result, EdgecatError):
            raise result
        return result

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.join()
        self._connection.close()

    def __enter__(self) -> "Apart":
        """Return itself."""
        return self

    def __exit__(self, *exception: object) -> None:
        """End the process."""
        self.close()


def run_apart(what: str, action: Callable[[], Any], timeout_s: float | None = _TIMEOUT_S) -> Any:
    """Return what an action returns, done in a copy of this process.

    Args:
        what: As for `Apart`.
        action: Returns what can be pickled.
        timeout_s: As for `Apart`.

    Raises:
        EdgecatError: As `Apart.call`.
        EngineError: The same.
        CrashError: The same.
    """
    with Apart(what, lambda: action, timeout_s) as worker:
        return worker.call("__call__")


@contextlib.contextmanager
def _hold_signals() -> Iterator[None]:
    """Let what asks to stop wait; a copy that is made meanwhile waits until it passes it over."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(near: Connection, far: Connection, make: Callable[[], Any]) -> None:
    """Answer calls until nobody is there to ask.

    Args:
        near: This process's end.
        far: The other end, of which this process has a copy.
        make: As for `Apart`.
    """
    # Ctrl-C reaches the copy too; it is the original that stops, and stops it.
    for number in _STOPPING:
        signal.signal(number, signal.SIG_IGN)
    far.close()  # so that this end sees the original die
    made: list[Any] = []
    with contextlib.suppress(EOFError, BrokenPipeError):  # the original was ended meanwhile
        while True:
            method, arguments = near.recv()
            near.send((_call(made, make, method, arguments),))


def _call(made: list[Any], make: Callable[[], Any], method: str, arguments: tuple[Any, ...]) -> Any:
    try:
        if not made:
            made.append(make())
        return getattr(made[0], method)(*arguments)
    except EdgecatError as error:
        return error
    except Exception as error:  # of a library that is not whole, anything may come
        return EngineError(f"{type(error).__name__}: {error}")


def _describe_exit(exitcode: int | None) -> str:
    """Return "SIGILL" for a process that was ended by it."""
    if exitcode is not None and exitcode < 0:
        return signal.Signals(-exitcode).name
    return f"exit code {exitcode}"
