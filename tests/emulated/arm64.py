"""What 64-bit Raspberry Pi OS has: Debian's Python for aarch64 and the wheels of edgecat's needs.

Packages are only unpacked, with an apt that has a state of its own, so nothing of this machine
changes and no root is needed. The mirror is the one that this machine's apt uses.
"""

import dataclasses
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

PROJECT = Path(__file__).parents[2]
CONSTRAINTS = PROJECT / "constraints.txt"

_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"

# Newest first: the glibc of Debian 12, which Debian 13 runs too, down to what old wheels ask for.
_PLATFORMS = [f"manylinux_2_{minor}_aarch64" for minor in range(36, 16, -1)] + [
    "manylinux2014_aarch64"
]


class UnavailableError(Exception):
    """This machine cannot emulate: a tool or a package is not to be had."""


@dataclasses.dataclass(frozen=True)
class Release:
    """A Debian release.

    Attributes:
        suite: Its name on a mirror.
        python: The version of its Python.
    """

    suite: str
    python: str


# The two releases that Raspberry Pi OS is built on.
RELEASES = {"12": Release("bookworm", "3.11"), "13": Release("trixie", "3.13")}


def unpack_root(release: Release, root: Path) -> None:
    """Fill an empty folder with the release's Python for aarch64 and what that needs.

    Raises:
        UnavailableError: The packages cannot be had.
    """
    apt = root / "apt"
    for folder in ("lists/partial", "cache/archives/partial"):
        (apt / folder).mkdir(parents=True)
    (apt / "status").touch()
    (apt / "sources.list").write_text(
        f"deb [arch=arm64 signed-by={_KEYRING}] {_find_mirror()} {release.suite} main\n"
    )
    (apt / "apt.conf").write_text(
        'APT::Architecture "arm64";\n'
        'APT::Architectures { "arm64"; };\n'
        'APT::Sandbox::User "root";\n'
        f'Dir::State "{apt}";\n'
        f'Dir::State::status "{apt}/status";\n'
        f'Dir::Cache "{apt}/cache";\n'
        f'Dir::Etc::sourcelist "{apt}/sources.list";\n'
        'Dir::Etc::sourceparts "-";\n'
        'Dir::Etc::preferencesparts "-";\n'
        'Acquire::Languages "none";\n'
    )
    environment = os.environ | {"APT_CONFIG": str(apt / "apt.conf")}
    run(["apt-get", "update"], environment)
    packages = [f"python{release.python}", "libstdc++6"]
    download = ["apt-get", "install", "-y", "--download-only", "--no-install-recommends"]
    run([*download, *packages], environment)
    for package in (apt / "cache/archives").glob("*.deb"):
        run(["dpkg-deb", "-x", str(package), str(root)])
    shutil.rmtree(apt)
    if not (root / "lib").exists():  # from Debian 13 on, packages hold only usr/lib
        (root / "lib").symlink_to("usr/lib")
    # What is missing here is looked up on this machine: these two would give x86 libraries and
    # this machine's own Python packages.
    (root / "etc").mkdir(exist_ok=True)
    (root / "etc/ld.so.cache").touch()
    (root / "usr/lib/python3/dist-packages").mkdir(parents=True, exist_ok=True)


def install_wheels(release: Release, folder: Path, *arguments: str) -> None:
    """Install aarch64 wheels.

    Args:
        release: Whose Python they are for.
        folder: The packages land in here, the scripts in its bin/.
        arguments: What to install, as pip takes it.

    Raises:
        UnavailableError: The wheels cannot be had.
    """
    platforms = [word for platform in _PLATFORMS for word in ("--platform", platform)]
    run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--root-user-action=ignore"),
            *("--only-binary=:all:", "--implementation=cp", *platforms),
            *("--python-version", release.python, "--target", str(folder)),
            *arguments,
        ]
    )


def list_pins() -> list[str]:
    """Return what `pip install 'edgecat[ncnn]'` brings, at the versions of constraints.txt."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    needed = [*project["dependencies"], *project["optional-dependencies"]["ncnn"]]
    names = {re.match(r"[\w-]+", line)[0] for line in needed}
    return [line for line in CONSTRAINTS.read_text().split() if line.partition("==")[0] in names]


def run(command: list[str], environment: dict[str, str] | None = None) -> str:
    """Run a command and return what it prints.

    Raises:
        UnavailableError: It is not installed or fails.
    """
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, timeout=600
        )
    except OSError as error:
        raise UnavailableError(
            f"needs {command[0]} ({error.strerror}): apt-get install qemu-user gcc"
        ) from None
    if done.returncode:
        raise UnavailableError(f"{' '.join(command)} failed: {done.stderr.strip()[-1000:]}")
    return done.stdout


def _find_mirror() -> str:
    for path in sorted(Path("/etc/apt").rglob("*sources*")):
        if path.is_file():
            urls = re.findall(r"^[^#]*?(https?://\S+/debian)/?(?:\s|$)", path.read_text(), re.M)
            if urls:
                return str(urls[0])
    raise UnavailableError("needs a Debian mirror in /etc/apt")
