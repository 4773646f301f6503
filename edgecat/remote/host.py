"""A command of edgecat on another machine, over the user's own OpenSSH and keys."""

import contextlib
import re
import shlex
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from edgecat import __version__
from edgecat.errors import ConfigError, DeviceError
from edgecat.progress import Progress
from edgecat.remote.script import (
    NO_EDGECAT,
    NO_PYTHON,
    NO_ROOM,
    NO_VENV,
    NO_WHEELS,
    RESULT,
    SCRIPT,
    VERSION,
)

# As ssh takes it: a name or address, or an ssh:// URI. What begins with - would be an option.
_HOST = re.compile(r"(ssh://)?([\w.%+-]+@)?\[?[\w.:%-]+\]?(:\d{1,5})?/?")

# A connection that says nothing for 15 s is gone. It never asks: nobody may be there to answer.
# What else the user's ssh is set to do on a connection is of no use to this one; as a master it
# would wait for all the sessions that the user opens meanwhile.
_OPTIONS = (
    "BatchMode=yes", "ConnectTimeout=10", "ServerAliveInterval=5", "ServerAliveCountMax=3",
    "ForwardAgent=no", "ClearAllForwardings=yes", "RemoteCommand=none", "ControlMaster=no",
)  # fmt: skip

# What ssh itself exits with when there is no connection, or none any more. Source: ssh(1).
_NO_CONNECTION = 255

# A report of 20 variants with every photo's answer is below 1 MB.
_MAX_RESULT_BYTES = 16 * 2**20

# Of what the other machine says on its way: lines that are kept, and characters of each.
_MAX_LINES, _MAX_CHARACTERS = 200, 500

# Seconds that the other machine has to clean up after Ctrl-C.
_CLEAN_UP_S = 15

_MENDS = {
    NO_PYTHON: "there is no python3; install it there: sudo apt install python3 python3-venv",
    NO_EDGECAT: "there is no edgecat; add --install to put one there for as long as this takes, or "
    "install it there: pip install edgecat",
    NO_VENV: "no virtual environment could be made; install it there: sudo apt install "
    "python3-venv, or free some space",
    NO_WHEELS: "pip could not install what edgecat needs: no network, no room, or no wheels for "
    "this architecture and Python (64-bit Linux on x86-64 or Arm, Python 3.11 or later)",
    NO_ROOM: "its temporary folder has no room; free some there, or let TMPDIR name another one "
    "there",
}

# What ssh says of a connection that did not come to be, and the way out.
_REFUSALS = {
    "Host key verification failed": "nobody has vouched for its key yet, or it has changed; look "
    "who it is, once, with: ssh {host}",
    "Permission denied": "it takes none of your keys, and passwords are not asked for here; copy "
    "one there: ssh-copy-id {host} (and ssh-add, if it has a passphrase)",
}


def check_host(host: str) -> None:
    """Refuse what is no host, before ssh sees it.

    Raises:
        ConfigError: It is none.
    """
    if not _HOST.fullmatch(host) or host.startswith("-"):
        raise ConfigError(
            f"--host {host}: no host; accepted are user@device, a name of your ssh's config, or "
            "ssh://user@device:22"
        )


def run_there(
    host: str, payload: Sequence[bytes], wheels: Sequence[str], command: Sequence[str],
    progress: Progress,
) -> bytes:  # fmt: skip
    """Return what a command of edgecat prints on another machine.

    Args:
        host: As ssh takes it.
        payload: A zip file of the bundle, which the command finds in the folder "bundle", and one
            of edgecat's package, empty where its own is used.
        wheels: What pip installs there first; none to use the edgecat that is there.
        command: Behind "edgecat".
        progress: Told of each line that is said there.

    Raises:
        DeviceError: The machine cannot be reached, or cannot do it, or has another version of
            edgecat; the message has the mend.
    """
    sizes = [str(len(part)) for part in payload]
    script = shlex.join(["sh", "-c", SCRIPT, "edgecat", *sizes, " ".join(wheels), *command])
    options = [part for option in _OPTIONS for part in ("-o", option)]
    arguments = ["ssh", "-T", *options, "--", host, script]
    with ThreadPoolExecutor(1) as reader, _connect(arguments) as process:
        coming = reader.submit(_read_result, process)
        lines = _converse(host, process, payload, progress)
        result, status = coming.result(), process.wait()
    if len(result) > _MAX_RESULT_BYTES:
        raise DeviceError(f"{host}: its result is larger than {_MAX_RESULT_BYTES // 2**20} MiB")
    if status:
        raise DeviceError(f"{host}: {_explain(host, status, lines)}")
    return result.partition(f"{RESULT}\n".encode())[2]


@contextlib.contextmanager
def _connect(arguments: Sequence[str]) -> Iterator["subprocess.Popen[bytes]"]:
    """Start ssh for a block; when that ends, however it does, the other machine cleans up.

    Raises:
        DeviceError: There is no ssh here.
    """
    try:
        # In a session of its own: Ctrl-C is ours, and ssh has no terminal to ask anything.
        process = subprocess.Popen(
            arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            start_new_session=True,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise DeviceError("ssh is not installed here: apt install openssh-client") from error
    with process:
        try:
            yield process
        finally:
            assert process.stdin is not None
            with contextlib.suppress(OSError):
                process.stdin.close()  # tells the script that nobody waits any more
            try:
                process.wait(_CLEAN_UP_S)
            except subprocess.TimeoutExpired:
                process.kill()


def _read_result(process: "subprocess.Popen[bytes]") -> bytes:
    """Return all that is printed there; of what would fill the memory, one byte too many."""
    assert process.stdout is not None
    result = process.stdout.read(_MAX_RESULT_BYTES + 1)
    if len(result) > _MAX_RESULT_BYTES:
        process.kill()
    return result


def _converse(
    host: str, process: "subprocess.Popen[bytes]", payload: Sequence[bytes], progress: Progress
) -> list[str]:
    """Send what is to be sent, and return the last lines that come back.

    Raises:
        DeviceError: Another version of edgecat is there.
    """
    assert process.stdin is not None and process.stderr is not None
    with contextlib.suppress(BrokenPipeError):  # it has ended already: its words say why
        for part in payload:
            process.stdin.write(part)
        process.stdin.flush()
    lines: list[str] = []
    while line := process.stderr.readline(_MAX_CHARACTERS):
        # What a terminal could take for a command is left out: it is a stranger who speaks.
        text = "".join(filter(str.isprintable, line.decode("utf-8", "replace"))).strip()
        if text.startswith(VERSION):
            _check_version(host, text)
            continue
        lines = [*lines[1 - _MAX_LINES :], text]
        if text:
            progress.say(text)
    return lines


def _explain(host: str, status: int, lines: Sequence[str]) -> str:
    """Return what went wrong there, and how to mend it."""
    said = "\n".join(lines)
    if status == _NO_CONNECTION:
        for words, mend in _REFUSALS.items():
            if words in said:
                return f"{words}: {mend.format(host=host)}"
        last = lines[-1] if lines else "ssh says nothing"
        return (
            f"no connection ({last}); look whether it is on, and what this says: ssh {host} true. "
            "Nothing is left there: a run that has lost its connection ends and cleans up"
        )
    if "No space left on device" in said:
        return _MENDS[NO_ROOM]
    if status in _MENDS:
        return _MENDS[status]
    error = next((line for line in reversed(lines) if line.startswith("error:")), "")
    return f"edgecat ended with exit code {status} there ({error or said[-300:]})"


def _check_version(host: str, line: str) -> None:
    """Refuse another version before it measures for nothing; one that does not run says why.

    Raises:
        DeviceError: It is another one.
    """
    found = line.removeprefix(VERSION).rpartition(" ")[2]
    if found not in ("", __version__):
        raise DeviceError(
            f"{host}: it has edgecat {found}, this is {__version__}; add --install to use this one "
            f"there, or bring it up to date there: pip install -U edgecat=={__version__}"
        )
