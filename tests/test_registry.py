import os
import subprocess
import sys

import pytest

from edgecat.audit.check import CHECKS as PHOTO_CHECKS
from edgecat.doctor.check import CHECKS
from edgecat.errors import ConfigError, EngineError
from edgecat.export.maker import MAKERS
from edgecat.graph.graph_pass import PASSES
from edgecat.quantize.form import FORMS
from edgecat.quantize.recipe import RECIPES
from edgecat.registry import Registry
from edgecat.runtime.engine import ENGINES
from edgecat.runtime.target import TARGETS
from edgecat.train.architecture import ARCHITECTURES

ALL = {
    "engines": ENGINES,
    "targets": TARGETS,
    "networks": ARCHITECTURES,
    "makers": MAKERS,
    "forms": FORMS,
    "recipes": RECIPES,
    "passes": PASSES,
    "checks": CHECKS,
    "photo checks": PHOTO_CHECKS,
}


@pytest.mark.parametrize("registry", ALL.values(), ids=ALL)
def test_every_entry_loads_and_unknown_ones_are_told_what_there_is(registry):
    entries = registry.load_all()
    assert tuple(entries) == registry.names
    assert all(name in registry and registry.load(name) is entries[name] for name in entries)
    assert "no-such" not in registry
    with pytest.raises(ConfigError, match=registry.names[0]):
        registry.load("no-such")


@pytest.mark.parametrize("name", ["../x", "a.b", "__init__", "", "a\0b"])
def test_a_name_that_is_no_file_here_imports_nothing(name):
    with pytest.raises(ConfigError, match="known here are"):
        ENGINES.load(name)


def test_exactly_one_engine_is_the_reference_and_one_network_the_default():
    assert sum(entry.is_reference for entry in ENGINES.load_all().values()) == 1
    assert sum(entry.is_default for entry in ARCHITECTURES.load_all().values()) == 1


def test_every_engine_computes_exactly_in_the_first_of_its_precisions():
    for entry in ENGINES.load_all().values():
        assert entry.precisions[0].made == "exact"


@pytest.mark.parametrize(
    "registry", [PASSES, CHECKS, PHOTO_CHECKS], ids=["passes", "checks", "photo checks"]
)
def test_places_in_an_order_are_taken_once(registry):
    places = [entry.place for entry in registry.load_all().values()]
    assert len(set(places)) == len(places)


def test_every_form_has_recipes_and_an_engine_that_computes_in_it():
    assert FORMS.names == RECIPES.names
    for name in FORMS.names:
        assert any(precision.made == "quantized" for precision in ENGINES.load(name).precisions)


@pytest.fixture
def install(tmp_path, monkeypatch):
    """A function that installs an entry point, which lies on the path from then on."""

    def install_into_folder(code, line):
        (tmp_path / "somebody.py").write_text(code)
        about = tmp_path / "somebody-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: somebody\nVersion: 1.0\n")
        (about / "entry_points.txt").write_text(f"[edgecat.runtime.engines]\n{line}\n")
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "somebody", raising=False)
        return Registry("edgecat.runtime.engines", "engine")

    return install_into_folder


def test_an_installed_entry_stands_behind_those_of_edgecat(install):
    registry = install("ENTRY = object()", "abc = somebody:ENTRY")
    assert registry.names == (*ENGINES.names, "abc")
    assert "abc" in registry
    assert registry.load("abc") is registry.load("abc")


def test_nobody_takes_the_place_of_an_entry_of_edgecat(install):
    registry = install("ENTRY = None", "onnxruntime = somebody:ENTRY")
    assert registry.names == ENGINES.names
    assert registry.load("onnxruntime").is_reference


@pytest.mark.parametrize(
    ("code", "line"),
    [
        ("import no_such_module", "abc = somebody:ENTRY"),
        ("OTHER = 1", "abc = somebody:ENTRY"),
        ("1 / 0", "abc = somebody:ENTRY"),
    ],
    ids=["lacks a module", "lacks the object", "fails"],
)
def test_an_installed_entry_that_does_not_load_is_named_with_its_package(install, code, line):
    registry = install(code, line)
    with pytest.raises(ConfigError, match=r"engine 'abc' of somebody 1\.0 does not load .*pip"):
        registry.load("abc")


LOOK = """
import sys
from edgecat.runtime.engine import ENGINES, find_engine
from edgecat.runtime.target import detect_target

ENGINES.load("onnxruntime")
detect_target(("x86-vnni", "x86-avx2", "arm"))
print(*sys.modules)
"""


def test_entries_of_edgecat_are_found_without_reading_what_is_installed():
    done = subprocess.run([sys.executable, "-c", LOOK], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert loaded.isdisjoint({"importlib.metadata", "numpy", "onnxruntime", "openvino", "torch"})


OPEN = """
import sys
from edgecat.runtime.classifier import Classifier

Classifier.open("cats12")
print(*sys.modules)
"""


def test_a_model_opens_without_reading_what_is_installed(tmp_path):
    never_tuned = os.environ | {"XDG_STATE_HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", OPEN], capture_output=True, text=True, check=True, env=never_tuned
    )
    assert set(done.stdout.split()).isdisjoint({"importlib.metadata", "email"})


def test_an_engine_that_is_not_known_is_an_error_of_the_engine():
    from edgecat.bundle.manifest import Variant
    from edgecat.runtime.engine import find_engine, find_precision

    with pytest.raises(EngineError, match=r"zrt-int8: engine 'zrt': known here are ncnn, onnxr"):
        find_engine(Variant("zrt-int8", ("f",)))
    with pytest.raises(EngineError, match="onnxruntime computes in fp32, int8"):
        find_precision(Variant("onnxruntime-fp16", ("f",)))
