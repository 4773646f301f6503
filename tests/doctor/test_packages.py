import importlib.metadata
import sys

from edgecat.doctor.checks.engines import check_engine
from edgecat.runtime.engine import ENGINES


def check_onnxruntime(machine):
    return check_engine(ENGINES.load("onnxruntime"), machine)


def check_openvino(machine):
    return check_engine(ENGINES.load("openvino"), machine)


def test_the_version_that_crashes_on_a_pi_4_is_known_before_it_is_imported(make_pi):
    finding = check_onnxruntime(make_pi(packages={"onnxruntime": "1.21.0"}))
    assert finding.status == "problem"
    assert "onnxruntime#23957" in finding.found
    assert finding.mend == "pip install 'onnxruntime!=1.21.0'"


def test_on_other_processors_that_version_is_as_good_as_any(make_pi):
    machine = make_pi(machine="x86_64", packages={"onnxruntime": "1.21.0"})
    assert check_onnxruntime(machine).status == "ok"


def test_without_onnxruntime_nothing_runs(make_pi):
    finding = check_onnxruntime(make_pi(packages={}))
    assert (finding.status, finding.found) == ("problem", "not installed")
    assert "pip install edgecat" in finding.mend


def test_onnxruntime_may_be_missing_where_another_engine_is_installed(make_pi):
    finding = check_onnxruntime(make_pi(packages={"ncnn": "1.0.20261020"}))
    assert finding.status == "ok"
    assert finding.found.endswith("only needed for variants named after it: onnxruntime")


def test_openvino_may_be_missing(make_pi):
    finding = check_openvino(make_pi())
    assert finding.status == "ok"
    assert "edgecat[openvino]" in finding.found


def test_an_engine_whose_wheels_need_a_newer_system_says_so_where_it_is_missing(make_pi):
    finding = check_openvino(make_pi(glibc="2.31"))
    assert finding.status == "warning"
    assert "needs glibc 2.35 here, this is 2.31" in finding.found
    assert check_openvino(make_pi(machine="x86_64", glibc="2.31")).status == "ok"


def test_a_package_that_does_not_import_is_a_problem(make_pi, tmp_path, monkeypatch):
    broken = tmp_path / "site" / "openvino"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("import no_such_module")
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.delitem(sys.modules, "openvino", raising=False)
    finding = check_openvino(make_pi(packages={"openvino": "2026.4.1"}))
    assert finding.status == "problem"
    assert "2026.4.1: ModuleNotFoundError: No module named 'no_such_module'" in finding.found
    assert finding.mend


def test_the_pinned_version_is_none_that_crashes():
    requires = importlib.metadata.requires("edgecat")
    assert any("onnxruntime" in line and "!=1.21.0" in line for line in requires)
