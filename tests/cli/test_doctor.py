"""`edgecat doctor` as a process: what a crashing library does to it, what a machine reads."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.slow  # starts processes

SIGILL = "import os, signal; os.kill(os.getpid(), signal.SIGILL)"


def run_doctor(*arguments, path=()):
    """Return exit code, standard output and standard error; `path` comes first on Python's path."""
    script = (
        "import sys; from edgecat.cli.main import _run; code = _run(sys.argv[1:]); "
        "heavy = {'numpy', 'onnxruntime', 'openvino'} & set(sys.modules); "
        "print('loaded', *heavy, file=sys.stderr); sys.exit(code)"
    )
    paths = [*map(str, path), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, "-c", script, "doctor", *map(str, arguments)],
        capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))},
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def make_package(tmp_path):
    """A function that makes a folder with a package of this version, which runs a line."""

    def make(name, version, line):
        package = tmp_path / "site" / name
        package.mkdir(parents=True)
        (package / "__init__.py").write_text(line)
        info = tmp_path / "site" / f"{name}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        return tmp_path / "site"

    return make


def test_names_do_nothing_to_a_terminal(make_bundle, tmp_path):
    folder = tmp_path / "a\x1b[31m"
    folder.mkdir()
    bundle = make_bundle().rename(folder / "b")
    bundle.with_name("b.tuned.json").write_text("{}")
    _, out, err = run_doctor(bundle)
    assert "counts no more: " in out
    assert "a\\x1b[31m" in out
    assert "\x1b" not in out + err


def test_every_line_says_how_it_is_and_bad_ones_how_to_mend_it():
    code, out, err = run_doctor("cats12")
    lines = out.splitlines()
    assert len(lines) >= 12
    for line in lines:
        status = line.split()[0]
        assert status in {"ok", "warning", "problem"}
        assert ("to mend it: " in line) == (status != "ok")
    assert (code == 15) == any(line.startswith("problem") for line in lines)
    assert "Traceback" not in err


def test_the_process_that_reports_loads_nothing_that_could_crash_it():
    _, _, err = run_doctor("cats12")
    assert err.splitlines()[-1] == "loaded"


def test_the_json_has_the_same_findings():
    _, out, _ = run_doctor("--json")
    findings = json.loads(out)["findings"]
    assert [finding["subject"] for finding in findings][:3] == ["system", "glibc", "Python"]
    assert all(set(one) == {"subject", "status", "found", "mend"} for one in findings)


def test_an_engine_that_crashes_is_a_line_and_not_the_end(make_package):
    site = make_package("onnxruntime", "1.20.9", SIGILL)
    code, out, err = run_doctor("cats12", path=[site])
    lines = {line.split()[1]: line for line in out.splitlines()}
    assert code == 15
    assert "1.20.9: import onnxruntime: crashed (SIGILL)" in lines["onnxruntime"]
    assert "self-test of onnxruntime-int8: crashed (SIGILL)" in lines["onnxruntime-int8"]
    assert lines["choice"].startswith("problem")
    assert err.splitlines()[0].startswith("error: problems: ")


def test_numpy_may_crash_too(make_package):
    site = make_package("numpy", "9.9.9", SIGILL)
    code, out, _ = run_doctor("cats12", path=[site])
    assert code == 15
    assert "self-test of onnxruntime-fp32: crashed (SIGILL)" in out


def test_ctrl_c_ends_it_and_the_copy_at_work(make_package):
    site = make_package("onnxruntime", "1.20.9", "import time; time.sleep(600)")
    with subprocess.Popen(
        [sys.executable, "-c", "from edgecat.cli.main import main; main()", "doctor"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env=os.environ | {"PYTHONPATH": f"{site}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"},
    ) as process:  # fmt: skip
        assert any(" temperature " in line for line in process.stdout)
        time.sleep(0.5)  # until the import of onnxruntime is under way
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of them
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err.strip()) == (130, "stopped")
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)


def test_a_bundle_that_is_none_is_a_problem_and_the_machine_is_told_all_the_same(tmp_path):
    code, out, _ = run_doctor(tmp_path)
    assert code == 15
    assert out.splitlines()[-1].startswith("problem  bundle ")
    assert "to mend it: make a bundle with 'edgecat export RUN" in out
