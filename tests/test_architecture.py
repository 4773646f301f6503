"""Which file may know what: read from the source, and tried in processes that lack libraries."""

import ast
import re
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

import edgecat
from edgecat.bundle.store import released_names

PACKAGE = Path(edgecat.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))


def module_of(path):
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): ast.parse(path.read_text()) for path in FILES}


def imports_of(tree, *, at_the_top=False):
    """Yield every module named in an import statement; `from edgecat import x` is edgecat.x."""
    nodes = tree.body if at_the_top else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            full = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if name in MODULES else node.module for name in full)


def is_within(module, *packages):
    return any(module == package or module.startswith(f"{package}.") for package in packages)


# Library -> the modules that may import it; a package stands for all in it.
LIBRARIES = {
    "torch": ["edgecat.train", "edgecat.export", "edgecat.quantize", "edgecat.optimize"],
    "torchvision": ["edgecat.train"],
    "timm": ["edgecat.train.timm_networks"],
    "safetensors": ["edgecat.train", "edgecat.export", "edgecat.quantize.calibrate"],
    "onnx": [
        "edgecat.graph",
        "edgecat.optimize",
        "edgecat.export",
        "edgecat.quantize",
        "edgecat.train.unfold",
    ],
    "onnxscript": [],
    "onnxruntime": ["edgecat.runtime.engines.onnxruntime", "edgecat.quantize"],
    "openvino": [
        "edgecat.runtime.engines.openvino",
        "edgecat.runtime.openvino_devices",
        "edgecat.graph",
        "edgecat.quantize",
    ],
    "ncnn": ["edgecat.runtime.engines.ncnn"],
    "click": ["edgecat.cli"],
    "cryptography": ["edgecat.bundle.signature"],
    "matplotlib": [
        "edgecat.train.plots",
        "edgecat.train.fonts",
        "edgecat.optimize.plots",
        "edgecat.report",
    ],
    "jinja2": ["edgecat.report"],
    "markupsafe": ["edgecat.report"],
    "anyascii": ["edgecat.train.fonts"],
    "uvicorn": ["edgecat.serve", "edgecat.review.server"],
    "h11": ["edgecat.serve.connection"],
    "starlette": ["edgecat.serve", "edgecat.review"],
    "python_multipart": ["edgecat.serve.form"],
    "prometheus_client": ["edgecat.serve.metrics"],
    "paho": ["edgecat.sinks.mqtt"],
    "cv2": [],
    "pandas": [],
    "yaml": [],
    "requests": [],
}


@pytest.mark.parametrize(("library", "allowed"), LIBRARIES.items())
def test_a_library_is_imported_only_where_it_may_be(library, allowed):
    users = {
        name
        for name, tree in MODULES.items()
        if any(is_within(i, library) for i in imports_of(tree))
    }
    assert {user for user in users if not is_within(user, *allowed)} == set()


def test_nothing_else_is_imported_at_all():
    known = {*LIBRARIES, "edgecat", "numpy", "PIL", *sys.stdlib_module_names}
    found = {name.split(".")[0] for tree in MODULES.values() for name in imports_of(tree)}
    assert found - known == set()


# Who reads JSON without `edgecat.strict`, which refuses keys given twice and NaN: what a library or
# a process of our own has just written, and lines of a results file, each checked on its own.
OWN_JSON = {
    "edgecat.strict",
    "edgecat.runtime.engines.onnxruntime",
    "edgecat.bench.cold_starts",
    "edgecat.watch.photo",
    "edgecat.export.cache",
}


def test_json_of_others_is_read_in_one_place():
    readers = {
        name
        for name, tree in MODULES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr in ("load", "loads")
        and isinstance(node.value, ast.Name)
        and node.value.id == "json"
    }
    assert readers <= OWN_JSON


# From the ground up: a package imports only from itself, from those before it and from `LOOSE`.
# Packages on one layer do not know each other.
LAYERS = [
    ["machine"],
    ["photos"],
    ["scores"],
    ["bundle"],
    ["runtime"],
    ["audit", "bench", "drift"],
    ["service"],
    ["keep", "sinks"],
    ["doctor", "enroll", "remote", "serve", "stream", "tune", "watch"],
    ["review"],
    ["graph"],
    ["train"],
    ["quantize"],
    ["export"],
    ["optimize"],
    ["report"],
    ["demo"],
    ["cli"],
]
# What every package may import; they import nothing but each other.
LOOSE = {"errors", "progress", "strict", "atomic", "registry", "typed"}


# `python -m edgecat` stands on top of all.
WAY_IN = "edgecat.__main__"


def height(module):
    """Return the number of a module's layer, 0 for the loose ones."""
    if module == WAY_IN:
        return len(LAYERS) + 1
    name = module.split(".")[1]
    return 0 if name in LOOSE else next(i for i, row in enumerate(LAYERS, 1) if name in row)


def imports_within(module):
    return {i for i in imports_of(MODULES[module]) if is_within(i, "edgecat") and i != "edgecat"}


@pytest.mark.parametrize("module", sorted(MODULES.keys() - {"edgecat"}))
def test_every_import_goes_down(module):
    for imported in imports_within(module):
        is_own = imported.split(".")[1] == module.split(".")[1]
        assert is_own or height(imported) < max(height(module), 1) or height(imported) == 0, (
            f"{module} imports {imported}, which stands on a layer that is not below it"
        )


def test_few_modules_are_loose_and_each_package_says_what_it_knows():
    loose = {path.stem for path in PACKAGE.glob("*.py")}
    assert loose == {"__init__", "__main__", *LOOSE}
    packages = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert packages == {name for row in LAYERS for name in row}
    for name in packages:
        assert len(ast.get_docstring(MODULES[f"edgecat.{name}"]).splitlines()) == 1


LIGHT = [f"edgecat.{name}" for name in ("cli", "runtime", "bench", "doctor", "service", "tune")]


def test_the_command_line_and_the_engines_import_nothing_heavy_at_their_top():
    heavy = [name for name in LIBRARIES if name != "click"]
    for module, tree in MODULES.items():
        if is_within(module, *LIGHT):
            top = set(imports_of(tree, at_the_top=True))
            assert {name for name in top if is_within(name, *heavy)} == set(), module
        if is_within(module, "edgecat.cli"):
            assert {name for name in top if is_within(name, "numpy", "PIL")} == set(), module


# A part of edgecat as a docstring or a comment names it: `edgecat.photos.pixels.load_pixels`.
REFERENCE = re.compile(r"`(edgecat(?:\.\w+)+)`")


def is_there(name):
    """Return whether a module is of this name, or defines what its last parts name."""
    if name in MODULES:
        return True
    module, _, rest = name.rpartition(".")
    while module not in MODULES:
        module, _, above = module.rpartition(".")
        rest = f"{above}.{rest}"
    scope = MODULES[module].body
    for part in rest.split("."):
        found = [node for node in scope if part in names_of(node)]
        if not found:
            return False
        scope = getattr(found[0], "body", [])
    return True


def names_of(node):
    """Return what a statement defines."""
    targets = [*getattr(node, "targets", []), getattr(node, "target", None)]
    return {getattr(node, "name", None), *(getattr(target, "id", None) for target in targets)}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_what_a_docstring_refers_to_is_there(path):
    references = set(REFERENCE.findall(path.read_text()))
    assert {name for name in references if not is_there(name)} == set()


@pytest.mark.parametrize(
    ("name", "there"),
    [
        ("edgecat.photos.pixels", True),
        ("edgecat.photos.pixels.load_pixels", True),
        ("edgecat.errors.EdgecatError.exit_code", True),
        ("edgecat.photos.pixels.load_pixel", False),
        ("edgecat.pixels.load_pixels", False),
    ],
)
def test_a_reference_to_nothing_is_found(name, there):
    assert is_there(name) == there


def test_no_module_is_a_drawer_for_everything():
    names = {part for module in MODULES for part in module.split(".")}
    assert names.isdisjoint({"utils", "util", "helpers", "common", "misc"})


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_packages_init_is_a_docstring(path):
    tree = MODULES[module_of(path)]
    assert ast.get_docstring(tree)
    if path.name == "__init__.py" and path.parent != PACKAGE:
        assert len(tree.body) == 1


# Calls that open a file as text, unless told otherwise, in the locale's encoding.
OPEN_TEXT = {"read_text", "write_text"}


@pytest.mark.parametrize("module", MODULES)
def test_text_files_are_utf8_in_every_locale(module):
    for node in ast.walk(MODULES[module]):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            given = {keyword.arg for keyword in node.keywords}
            is_own = ast.unparse(node.func.value) == "atomic"
            assert node.func.attr not in OPEN_TEXT or is_own or "encoding" in given, (
                f"{module}, line {node.lineno}: {ast.unparse(node)} names no encoding"
            )


def test_nobody_prints_or_sets_up_logging_outside_the_command_line():
    for module, tree in MODULES.items():
        names = {
            node.func.id
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        assert is_within(module, "edgecat.cli") or "print" not in names, module
        assert "basicConfig" not in attributes, module


def test_the_public_names_are_few_and_each_is_there():
    assert len(edgecat.__all__) <= 10
    assert sorted(set(edgecat.__all__)) == edgecat.__all__
    for name in edgecat.__all__:
        assert getattr(edgecat, name).__name__ == name
    with pytest.raises(AttributeError, match="no_such_name"):
        edgecat.no_such_name  # noqa: B018


def run_python(script, *arguments):
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("module", ["edgecat", "edgecat.cli.main"])
def test_importing_costs_neither_numpy_nor_torch(module):
    loaded = run_python(f"import sys, {module}; print(*sys.modules)").split()
    assert module in loaded
    heavy = {"numpy", "PIL", "torch", "onnx", "onnxruntime", "openvino", "ncnn", "matplotlib"}
    assert heavy.isdisjoint(loaded)


BLOCK = """
import sys

class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {BLOCKED}:
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Block())
"""
BLOCKED = ("torch", "torchvision", "onnx", "openvino", "ncnn", "matplotlib", "safetensors", "cv2")

PREDICT = """
import numpy as np
from edgecat import Classifier

with Classifier.open(sys.argv[1], "onnxruntime-fp32") as classifier:
    answer = classifier.predict(np.zeros((300, 300, 3), np.uint8))
print(answer.label in classifier.labels, *sys.modules)
"""


def predict_without_extras(bundle):
    script = BLOCK.replace("{BLOCKED}", repr(BLOCKED)) + PREDICT
    known, *loaded = run_python(script, bundle).split()
    assert known == "True"
    assert set(BLOCKED).isdisjoint(loaded)


def test_a_bundle_answers_where_only_the_devices_libraries_are(make_bundle, colour_model):
    predict_without_extras(make_bundle(files={"model.onnx": colour_model}))


def test_the_released_model_answers_where_only_the_devices_libraries_are():
    if "cats12" not in released_names():
        pytest.skip("needs edgecat/assets/cats12, not released yet")
    predict_without_extras("cats12")


# From the `def` to the last line, the docstring not counted.
MAX_FILE_LINES, MAX_FUNCTION_LINES, MEDIAN_FUNCTION_LINES, MAX_ARGUMENTS = 300, 60, 10, 6


def functions_of(module):
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    found = (node for node in ast.walk(MODULES[module]) if isinstance(node, kinds))
    return [(f"{module}.{node.name}", node) for node in found]


def num_lines(function):
    lines = function.end_lineno - function.lineno + 1
    if ast.get_docstring(function) is None:
        return lines
    return lines - (function.body[0].end_lineno - function.body[0].lineno + 1)


def num_arguments(function):
    given = function.args
    names = [argument.arg for argument in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return len(names) - (names[:1] in (["self"], ["cls"]))


FUNCTIONS = [found for module in MODULES for found in functions_of(module)]


def test_files_and_functions_are_short_and_take_few_arguments():
    over = {
        module_of(path)
        for path in FILES
        if len(path.read_text(encoding="utf-8").splitlines()) > MAX_FILE_LINES
    }
    over |= {name for name, function in FUNCTIONS if num_lines(function) > MAX_FUNCTION_LINES}
    over |= {
        name
        for name, function in FUNCTIONS
        # A command's arguments are its options.
        if num_arguments(function) > MAX_ARGUMENTS and not is_within(name, "edgecat.cli")
    }
    assert over == set()


def test_most_functions_are_read_at_a_glance():
    lengths = [num_lines(function) for _, function in FUNCTIONS]
    assert statistics.median(lengths) <= MEDIAN_FUNCTION_LINES
