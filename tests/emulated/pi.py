"""A Raspberry Pi that runs Python, emulated by QEMU's user mode on an x86-64 Debian.

python tests/emulated/pi.py pi4 script.py arguments...
python tests/emulated/pi.py --debian 13 pi5 -c 'import platform; print(platform.machine())'

The Python is Debian's for aarch64 and has the packages that edgecat needs; edgecat itself comes
from PYTHONPATH. The first use takes a minute and fills $XDG_CACHE_HOME/edgecat-emulated (240 MB a
release). At each os.getppid() of the script "ICOUNT n" is printed to standard error: n instructions
since the last call.

What it cannot do: milliseconds, and processes that start sys.executable again (the host would try
to run an aarch64 program). Compute with one thread: others are counted unreliably.
"""

import dataclasses
import hashlib
import os
import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import arm64
import click
from arm64 import RELEASES, UnavailableError
from processors import PROCESSORS, write_system_files

from edgecat.atomic import new_folder

_PLUGIN_SOURCE = Path(__file__).with_name("count_instructions.c")


@dataclasses.dataclass(frozen=True)
class Pi:
    """An emulated Pi, ready to run.

    Attributes:
        name: A key of `PROCESSORS`.
        sysroot: What it sees instead of the host's files, where there is such a file.
        python: Its interpreter.
        plugin: Counts instructions.
    """

    name: str
    sysroot: Path
    python: Path
    plugin: Path

    def command(self, arguments: Sequence[str]) -> list[str]:
        """Return the command line that runs Python with these arguments."""
        cpu = PROCESSORS[self.name].qemu_cpu
        qemu = ["qemu-aarch64", "-cpu", cpu, "-plugin", str(self.plugin), "-L", str(self.sysroot)]
        return [*qemu, str(self.python), *arguments]

    def run(
        self, arguments: Sequence[str], packages: Sequence[Path]
    ) -> subprocess.CompletedProcess[str]:
        """Run Python to its end and return what it printed, whatever its exit code.

        Args:
            arguments: Those of Python.
            packages: Folders to import from.
        """
        return subprocess.run(
            self.command(arguments), env=make_environment(packages), stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False, timeout=600,
        )  # fmt: skip


def make_environment(packages: Sequence[Path]) -> dict[str, str]:
    """Return all the variables that a Pi sees: the host's would not suit it.

    Args:
        packages: Folders to import from.
    """
    return {
        "HOME": "/nonexistent",
        "LC_ALL": "C.UTF-8",
        "OPENBLAS_NUM_THREADS": "1",
        "ORT_DISABLE_TELEMETRY": "1",  # ONNX Runtime otherwise reports its use to its maker
        "PATH": os.environ["PATH"],
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": os.pathsep.join(map(str, packages)),
    }


def open_pi(name: str, debian: str = "12") -> Pi:
    """Return an emulated Pi, made of what is cached or can be downloaded.

    Args:
        name: A key of `PROCESSORS`.
        debian: A key of `RELEASES`.

    Raises:
        UnavailableError: QEMU, a compiler or the Debian packages are not to be had.
    """
    _check_qemu()
    release, processor = RELEASES[debian], PROCESSORS[name]
    home = _cache() / f"debian{debian}"
    root = _cached(home / "root", lambda folder: arm64.unpack_root(release, folder))

    def make_sysroot(folder: Path) -> None:
        for entry in root.iterdir():
            (folder / entry.name).symlink_to(entry)
        write_system_files(processor, folder)

    sysroot = _cached(home / f"{name}-{_hash(repr(processor))}", make_sysroot)
    plugin = _cached(_cache() / f"plugin-{_hash(_PLUGIN_SOURCE.read_text())}", _compile_plugin)
    python = root / f"usr/bin/python{release.python}"
    return Pi(name, sysroot, python, plugin / "count_instructions.so")


def open_site(debian: str = "12", pins: Sequence[str] = ()) -> Path:
    """Return a folder with packages for a Pi, cached or downloaded.

    Args:
        debian: A key of `RELEASES`.
        pins: What to install, as pip takes it; none for all that edgecat needs.

    Raises:
        UnavailableError: The wheels are not to be had.
    """
    pins = pins or arm64.list_pins()
    return _cached(
        _cache() / f"debian{debian}" / f"site-{_hash(' '.join(pins))}",
        lambda folder: arm64.install_wheels(RELEASES[debian], folder, *pins),
    )


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edgecat-emulated"


def _cached(folder: Path, fill: Callable[[Path], object]) -> Path:
    """Return a folder that `fill` has filled, now or in an earlier run: whole, or not there."""
    if not folder.exists():
        with new_folder(folder) as new:
            fill(new)
    return folder


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _check_qemu() -> None:
    version = arm64.run(["qemu-aarch64", "--version"])
    major = int(re.findall(r"version (\d+)", version)[0])
    if not 6 <= major <= 8:
        raise UnavailableError(f"needs QEMU 6 to 8, whose plugins count inline; this is {major}")


def _compile_plugin(folder: Path) -> None:
    library = folder / "count_instructions.so"
    arm64.run(["gcc", "-O2", "-shared", "-fPIC", "-o", str(library), str(_PLUGIN_SOURCE)])


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option("--debian", type=click.Choice(list(RELEASES)), default="12", show_default=True)
@click.option("--pin", "pins", multiple=True, help="Packages in place of edgecat's: numpy==2.4.6.")
@click.argument("name", type=click.Choice(list(PROCESSORS)))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def main(debian: str, pins: tuple[str, ...], name: str, arguments: tuple[str, ...]) -> None:
    """Run an emulated Raspberry Pi's Python with ARGUMENTS."""
    try:
        command, packages = open_pi(name, debian).command(arguments), [open_site(debian, pins)]
    except UnavailableError as error:
        raise click.ClickException(str(error)) from None
    if ours := os.environ.get("PYTHONPATH"):
        packages.insert(0, Path(ours))
    os.execvpe(command[0], command, make_environment(packages))


if __name__ == "__main__":
    main()
