"""`edgecat tune` as a process: what it prints and keeps, and what Ctrl-C leaves."""

import itertools
import json
import os
import signal
import subprocess
import sys

import pytest
from PIL import Image

from edgecat.errors import StorageError

pytestmark = pytest.mark.slow  # starts processes

ENTRY = [sys.executable, "-c", "from edgecat.cli.main import main; main()"]


@pytest.fixture
def bundle(make_bundle, colour_model):
    return make_bundle(files={"model.onnx": colour_model})


def run(*arguments, **variables):
    command, env = [*ENTRY, *map(str, arguments)], os.environ | variables
    return subprocess.run(command, capture_output=True, text=True, check=False, env=env)


def test_it_is_kept_shown_and_followed(bundle, tmp_path):
    done = run("tune", bundle, "--seconds", "1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("chosen: onnxruntime-fp32, threads: ")
    path = bundle.with_name("bundle.tuned.json")
    assert f"kept in {path}" in done.stderr
    kept = json.loads(path.read_text())
    doctor = run("doctor", bundle).stdout.splitlines()[-1]
    assert f"as measured here on {kept['date']}" in doctor
    Image.new("RGB", (64, 64), (250, 0, 0)).save(tmp_path / "red.png")
    answer = json.loads(run("predict", bundle, tmp_path / "red.png", "--json").stdout)
    assert answer["choice"]["origin"] == "measured"
    assert answer["choice"]["threads"] == kept["threads"]


def test_its_json_says_all_that_was_measured_and_where_it_is_kept(bundle):
    done = run("tune", bundle, "--seconds", "1", "--json")
    values = json.loads(done.stdout)
    path = bundle.with_name("bundle.tuned.json")
    assert values == {"file": str(path)} | json.loads(path.read_text())


# The same command; it is never certain enough to end by itself, and tells each round.
LOUD = """
import sys
from edgecat.cli.main import main
from edgecat.tune import race

def tell(on_second, quiet=race.each_second):
    tick = quiet(on_second)
    return lambda: (tick(), print("round", file=sys.stderr, flush=True))

race.each_second, race._MARGIN_RATIO = tell, 0.0
main()
"""

# More than the warm-up has.
NUM_ROUNDS = 60


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_keeps_what_was_measured_and_marks_it(bundle, number):
    with subprocess.Popen(
        [sys.executable, "-c", LOUD, "tune", str(bundle), "--seconds", "600", "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    ) as process:  # fmt: skip
        rounds = (line for line in process.stderr if line == "round\n")
        assert len(list(itertools.islice(rounds, NUM_ROUNDS))) == NUM_ROUNDS
        os.killpg(process.pid, number)  # as a terminal does: to all of them
        out, _ = process.communicate(timeout=120)
    assert process.returncode == 130
    kept = json.loads(bundle.with_name("bundle.tuned.json").read_text())
    assert json.loads(out)["is_partial"] is kept["is_partial"] is True
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)


def test_what_cannot_be_kept_is_told_all_the_same(bundle, tmp_path):
    bundle.with_name("bundle.tuned.json").mkdir()  # where nothing can be written, nor in its place
    (tmp_path / "state").write_text("no folder")
    done = run("tune", bundle, "--seconds", "1", XDG_STATE_HOME=str(tmp_path / "state"))
    assert done.returncode == StorageError.exit_code, done.stderr
    assert done.stdout.splitlines()[-1].startswith("chosen: onnxruntime-fp32, threads: ")
    assert "kept in" not in done.stderr
