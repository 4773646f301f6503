"""Another machine: a real sshd on the loopback, with keys, a PATH and a TMPDIR of its own."""

import contextlib
import dataclasses
import getpass
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")

# What the script needs of a machine beside edgecat and Python.
TOOLS = ("sh", "mktemp", "rm", "head", "cat", "kill", "setsid", "chmod")


@dataclasses.dataclass
class Device:
    """Another machine.

    Attributes:
        host: How ssh calls it.
        folder: Of the test: keys, and the programs that the machine has.
        temporary: Its folder of temporary files, in which nothing may be left.
        server: Its sshd.
    """

    host: str
    folder: Path
    temporary: Path
    server: subprocess.Popen

    def run(self, *arguments, config="config", code=0):
        """Run edgecat here, with a configuration of ssh; return what it says."""
        done = subprocess.run(
            command(*arguments), capture_output=True, text=True, check=False,
            env=self.environment(config),
        )  # fmt: skip
        assert done.returncode == code, done.stderr
        return done.stdout if code == 0 else done.stderr.splitlines()[-1]

    def environment(self, config="config"):
        """Return an environment whose ssh, the real one, reads a configuration of the test's."""
        here = self.folder / "here"
        here.mkdir(exist_ok=True)
        write_program(here / "ssh", f'exec {shutil.which("ssh")} -F {self.folder / config} "$@"')
        return os.environ | {
            "PATH": f"{here}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
        }

    def remove(self, program):
        """Take a program from the machine."""
        (self.folder / "bin" / program).unlink()

    @property
    def left(self):
        """Return what lies in its folder of temporary files."""
        return sorted(self.temporary.iterdir())

    def wait_until_clean(self):
        """Wait as long as a busy machine may take to end what it does."""
        wait_for(lambda: not self.left)


def command(*arguments):
    return [sys.executable, "-m", "edgecat", *map(str, arguments)]


def wait_for(is_done, max_s=120):
    ends = time.monotonic() + max_s
    while not is_done():
        assert time.monotonic() < ends
        time.sleep(0.1)


def write_program(path, line):
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)


def start(folder, temporary, variables):
    temporary.mkdir(exist_ok=True)
    programs = folder / "bin"
    programs.mkdir()
    for tool in TOOLS:
        (programs / tool).symlink_to(shutil.which(tool))
    (programs / "python3").symlink_to(sys.executable)
    write_program(programs / "edgecat", f'PYTHONPATH={ROOT} exec {sys.executable} -m edgecat "$@"')
    for name in ("host", "user", "other"):
        generate = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name]
        subprocess.run(generate, check=True)
    (folder / "authorized").write_text((folder / "user.pub").read_text())
    port = find_port()
    there = {"PATH": programs, "TMPDIR": temporary, "HOME": folder} | variables
    settings = " ".join(f'"{name}={value}"' for name, value in there.items())
    (folder / "sshd_config").write_text(
        f"ListenAddress 127.0.0.1\nPort {port}\nHostKey {folder / 'host'}\n"
        f"AuthorizedKeysFile {folder / 'authorized'}\nStrictModes no\nUsePAM no\n"
        "PasswordAuthentication yes\nKbdInteractiveAuthentication no\nPermitRootLogin yes\n"
        f"PidFile none\nSetEnv {settings}\n"
    )
    for name, key in (("config", "user"), ("stranger", "other"), ("unknown", "user")):
        known = folder / f"known_{name}"
        host_key = " ".join((folder / "host.pub").read_text().split()[:2])
        known.write_text("" if name == "unknown" else f"[127.0.0.1]:{port} {host_key}\n")
        (folder / name).write_text(
            f"IdentityFile {folder / key}\nIdentitiesOnly yes\nIdentityAgent none\n"
            f"UserKnownHostsFile {known}\nGlobalKnownHostsFile /dev/null\n"
        )
    if os.geteuid() == 0:  # where sshd locks itself in, as Debian's unit makes it
        Path("/run/sshd").mkdir(exist_ok=True)
    log = (folder / "sshd.log").open("wb")
    server = subprocess.Popen([SSHD, "-D", "-e", "-f", folder / "sshd_config"], stderr=log)
    wait_for(lambda: is_listening(port) or server.poll() is not None)
    assert server.poll() is None, (folder / "sshd.log").read_text()
    return Device(f"ssh://{getpass.getuser()}@127.0.0.1:{port}", folder, temporary, server)


def stop(server):
    server.terminate()
    server.wait()


def find_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def is_listening(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False
