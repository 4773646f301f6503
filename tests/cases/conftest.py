"""What tests of new cases share: packages of somebody else, and edgecat in fresh processes.

Such a package is what `pip install` leaves: modules and an `entry_points.txt`, in a folder on
PYTHONPATH. Nothing of edgecat is patched, and nothing of it knows the package.
"""

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch", reason="needs torch (edgecat[train])")
pytest.importorskip("uvicorn", reason="needs edgecat[serve]")

ROOT = Path(__file__).parents[2]

# Colours tell the classes apart: a network that has not learned them after this never will.
QUICK = ["epochs=2", "head_epochs=10", "batch_size=8"]

_MAIN = "from edgecat.cli.main import main; main()"

TIMEOUT_S = 300  # a command that hangs fails the test


@dataclasses.dataclass(frozen=True)
class Edgecat:
    """The command, where a package of somebody else is installed, or none is."""

    site: Path | None = None

    @property
    def environment(self):
        paths = [str(path) for path in (self.site, ROOT) if path is not None]
        return os.environ | {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}

    def command(self, *arguments):
        return [sys.executable, "-c", _MAIN, *map(str, arguments)]

    def run(self, *arguments, code=0, data=b""):
        """Return what a command prints: its errors, if it is to end with another code than 0."""
        done = subprocess.run(
            self.command(*arguments),
            env=self.environment, input=data, capture_output=True, timeout=TIMEOUT_S, check=False,
        )  # fmt: skip
        out, err = done.stdout.decode(), done.stderr.decode()
        assert done.returncode == code, out + err
        return out if code == 0 else err

    def finetune(self, photos, run, *arguments, recipe=()):
        settings = [part for setting in (*QUICK, *recipe) for part in ("--set", setting)]
        self.run("finetune", photos, "--out", run, *arguments, *settings)

    def predict(self, bundle, photo, *arguments):
        """Return the answer to one photo."""
        (answer,) = json.loads(self.run("predict", bundle, photo, *arguments, "--json"))[
            "predictions"
        ]
        return answer

    def watch(self, bundle, photo, folder, *arguments):
        """Return the answer to one photo that has come into a folder."""
        folder.mkdir()
        shutil.copy(photo, folder)
        out = folder.with_suffix(".jsonl")
        self.run("watch", bundle, folder, "--out", out, "--once", *arguments)
        return json.loads(out.read_text().splitlines()[-1])

    @contextmanager
    def serve(self, bundle, *arguments):
        """Yield a function that asks a server of the bundle, and returns the body."""
        server = subprocess.Popen(
            self.command("serve", bundle, "--port", "0", *arguments),
            env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        try:
            found = (re.search(r"http://\S+:\d+", line) for line in server.stdout)
            address = next(filter(None, found))
            headers = {"Content-Type": "application/octet-stream"}

            def ask(path, data=None):
                request = urllib.request.Request(address[0] + path, data, headers)
                with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
                    return response.read()

            yield ask
        finally:
            server.terminate()
            server.communicate(timeout=TIMEOUT_S)


@pytest.fixture(scope="session")
def plain():
    """edgecat where nothing else is installed."""
    return Edgecat()


@pytest.fixture(scope="session")
def install(tmp_path_factory):
    """A function that installs a package: its modules by name, its entry points by group.

    It is called as its first module is.
    """

    def install_into_folder(modules, entry_points):
        site = tmp_path_factory.mktemp("site")
        for name, code in modules.items():
            (site / f"{name}.py").write_text(code)
        package = next(iter(modules))
        about = site / f"{package}-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        lines = [f"[{group}]\n{line}\n" for group, line in entry_points.items()]
        (about / "entry_points.txt").write_text("".join(lines))
        return Edgecat(site)

    return install_into_folder


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    """Three classes of a colour each, ten pictures a class."""
    root = tmp_path_factory.mktemp("data") / "photos"
    rng = np.random.default_rng(0)
    for number, label in enumerate(("red", "green", "blue")):
        (root / label).mkdir(parents=True)
        for photo in range(10):
            blotches = rng.integers(0, 128, (10, 10, 3), dtype=np.uint8)
            blotches[..., number] += 120
            picture = Image.fromarray(blotches).resize((96, 72), Image.Resampling.BICUBIC)
            picture.save(root / label / f"{photo}.png")
    return root


@pytest.fixture(scope="session")
def photo(photos):
    return photos / "red" / "3.png"
