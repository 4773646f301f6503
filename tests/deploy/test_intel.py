"""The Dockerfile: linted, and its steps run in a plain folder, since no engine is needed for that.

The folder stands for the image's root: absolute paths that the Dockerfile makes lie below it. The
base image's Python is the one that runs the tests.
"""

import json
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "deploy/intel/Dockerfile"


def test_hadolint_finds_nothing(linter):
    done = subprocess.run([linter("hadolint"), DOCKERFILE], capture_output=True, text=True)
    assert done.stdout == ""
    assert done.returncode == 0


def read_steps():
    """Return instruction and argument of each step."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [tuple(line.split(maxsplit=1)) for line in lines if line]


STEPS = read_steps()


def find_step(name):
    (argument,) = (argument for step, argument in STEPS if step == name)
    return argument


class Folder:
    """The image's root as a folder, while the steps of the build are taken."""

    def __init__(self, root):
        self.root = root
        self.workdir = root
        self.variables = {}

    def place(self, text):
        """Return text whose absolute paths of the image lie below the folder."""
        return re.sub(r"(?<![\w./-])/(?=(opt|src|run)/?)", f"{self.root}/", text)

    def take(self, step, argument):
        match step:
            case "WORKDIR":
                self.workdir = Path(self.place(argument))
                self.workdir.mkdir(parents=True)
            case "COPY" if argument.startswith("--from="):
                _, source, target = argument.split()
                assert source == target
                assert Path(self.place(source)).exists()
            case "COPY":
                *sources, target = argument.split()
                for source in sources:
                    self.copy(ROOT / source, self.workdir / target)
            case "RUN":
                self.run(["/bin/sh", "-ec", self.place(argument)])
            case "ENV":
                self.variables |= dict(word.split("=") for word in argument.split())
            case _:
                assert step in {"FROM", "USER", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT", "CMD"}

    def copy(self, source, target):
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)

    @property
    def environment(self):
        base = Path(sys.executable).parent
        return {"PATH": f"{base}:/usr/bin:/bin", "HOME": "/nonexistent"} | self.variables

    def run(self, command):
        done = subprocess.run(
            command, cwd=self.workdir, env=self.environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


def test_nobody_is_root_in_it():
    assert int(find_step("USER").split(":")[0]) > 0


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """The folder after all steps."""
    folder = Folder(tmp_path_factory.mktemp("image"))
    for step, argument in STEPS:
        folder.take(step, argument)
    return folder


def find_free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return str(server.getsockname()[1])


def read_command(image, argument, **changes):
    """Return a command in JSON form as it runs in the folder."""
    for old, new in changes.items():
        argument = argument.replace(old, new)
    return json.loads(image.place(argument))


@pytest.mark.installs
def test_its_steps_make_an_edgecat_with_openvino(image):
    (edgecat,) = read_command(image, find_step("ENTRYPOINT"))
    assert "edgecat" in image.run([edgecat, "--version"])
    python = Path(edgecat).with_name("python")
    find_devices = "import openvino; print(openvino.Core().available_devices)"
    assert "CPU" in image.run([python, "-c", find_devices])


@pytest.mark.installs
def test_its_command_serves_and_its_health_check_sees_it(image):
    token = image.root / "run/secrets/token"
    token.parent.mkdir(parents=True)
    token.write_text("0123456789abcdef")
    token.chmod(0o600)
    port = find_free_port()
    _, check = find_step("HEALTHCHECK").split("CMD ", 1)
    check = read_command(image, check, **{"8000": port})
    command = read_command(image, find_step("ENTRYPOINT"))
    command += read_command(image, find_step("CMD"), **{"8000": port, "0.0.0.0": "127.0.0.1"})
    with subprocess.Popen(command, env=image.environment, cwd=image.root) as process:
        try:
            while subprocess.run(check, env=image.environment, capture_output=True).returncode:
                assert process.poll() is None, "the server has stopped"
            process.terminate()
            assert process.wait(60) in {0, -signal.SIGTERM}
        finally:
            process.kill()
    assert subprocess.run(check, env=image.environment, capture_output=True).returncode
