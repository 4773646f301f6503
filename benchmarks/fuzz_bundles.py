"""Damaged and forged bundles through everything that opens or unpacks one.

python benchmarks/fuzz_bundles.py

Four kinds of cases, each made of a good, signed bundle by seeded changes:

- manifests: `bundle.json` with values, keys, types, sizes, names and text changed. With the owner's
  key required, every one must be refused. Without, one may be accepted ("answered") only if an
  oracle in this file, written apart from edgecat's reader, finds that it still describes the files
  beside it; a changed score or licence is such a case, and what signatures are for.
- damaged models: bytes of the model changed. Every one must be refused: its SHA-256 is wrong.
- forged models: the same, or attributes, shapes and links of the graph changed, with the SHA-256
  made right. Whoever can do that can put any model there, so it may be refused by the engine or
  answer anything; but the process must not crash or hang. This is about chance: a graph written
  to run forever (a Loop of 2**62 rounds) does. Only --require-signature keeps such a one out.
- zip files: for `edgecat bundle unpack`, changed as bytes and entry by entry. One may be accepted
  only if what it makes is, byte for byte, the good bundle, or one whose manifest the oracle takes.

Anywhere else than where the bundle belongs, no file may come, go or change.
"""

import contextlib
import copy
import functools
import hashlib
import io
import json
import os
import random
import shutil
import tempfile
import unicodedata
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
from fuzzing import FINE, Outcome, run_cases
from mutations import mutate
from results import write_result

from edgecat.archive import pack_bundle, unpack_bundle
from edgecat.bundle import MANIFEST, SIGNATURE, load_bundle, sign_bundle, write_manifest
from edgecat.cli.main import _run
from edgecat.errors import BundleError, EngineError, SignatureError
from edgecat.runtime.classifier import Classifier
from edgecat.signature import make_key
from edgecat.spec import FileRecord, ModelSpec, Variant

_SEED = 20_26

_MODEL, _EXTRA = "model.onnx", "photos.json"

# What a value of a manifest is replaced with: each has broken some reader of JSON.
_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, -(2**63), 10**400, 0.5, -0.0, 1e308, 1e-320,
    float("nan"), float("inf"), float("-inf"), "", "x", "0", "null", "\0", "a\0b", "\ud800",
    "\x1b[2J", "\u202e", "../x", "/etc/passwd", "..", ".", "C:\\x", MANIFEST, SIGNATURE,
    MANIFEST.upper(), "Model.onnx",
    "mode\uff4c.onnx", "x" * 300, "x" * 100_000, "\u0130", [], {}, [[]], [None], {"": ""},
)  # fmt: skip


# The good bundle


@functools.cache
def _make_good() -> tuple[Path, Path, Path]:
    """Return a signed bundle, its zip file and its owner's public key; one set a process."""
    folder = Path(tempfile.mkdtemp(prefix="edgecat-fuzz-"))
    bundle = folder / "good"
    bundle.mkdir()
    released = load_bundle("cats12").spec
    (bundle / _MODEL).write_bytes(build_model(len(released.labels)))
    (bundle / _EXTRA).write_bytes(b"{}\n")
    scored = released.variants[0]
    spec = ModelSpec(
        released.name,
        released.arch,
        released.labels,
        (Variant(scored.name, (_MODEL,), scored.score, scored.verdict),),
        {file: _record((bundle / file).read_bytes()) for file in (_MODEL, _EXTRA)},
        provenance=released.provenance,
    )
    write_manifest(bundle, spec)
    public = make_key(folder / "owner.pem")
    sign_bundle(bundle, folder / "owner.pem")
    pack_bundle(bundle, folder / "good.zip")
    return bundle, folder / "good.zip", public


def build_model(num_labels: int) -> bytes:
    """Return a small ONNX model with the nodes of a real one: 6 kB, so that changes hit them."""
    import onnx
    from onnx import helper, numpy_helper

    rng = np.random.default_rng(_SEED)
    weights = {
        "kernel": rng.normal(size=(4, 3, 3, 3)).astype(np.float32) / 255,
        "scale": np.array(0.1, np.float32),
        "zero": np.array(3, np.uint8),
        "depthwise": rng.normal(size=(4, 1, 3, 3)).astype(np.float32),
        "dense": rng.normal(size=(num_labels, 4)).astype(np.float32),
        "bias": rng.normal(size=num_labels).astype(np.float32),
    }
    node = helper.make_node
    graph = helper.make_graph(
        [
            node("Cast", ["pixels"], ["floats"], to=1),
            node("Transpose", ["floats"], ["planes"], perm=[0, 3, 1, 2]),
            node("Conv", ["planes", "kernel"], ["stem"], strides=[8, 8]),
            node("HardSwish", ["stem"], ["swish"]),
            node("QuantizeLinear", ["swish", "scale", "zero"], ["steps"]),
            node("DequantizeLinear", ["steps", "scale", "zero"], ["back"]),
            node("Conv", ["back", "depthwise"], ["deep"], group=4),
            node("GlobalAveragePool", ["deep"], ["mean"]),
            node("Flatten", ["mean"], ["flat"]),
            node("Gemm", ["flat", "dense", "bias"], ["logits"], transB=1),
        ],
        "small",
        [helper.make_tensor_value_info("pixels", onnx.TensorProto.UINT8, ["N", 224, 224, 3])],
        [helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, ["N", num_labels])],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    return model.SerializeToString()


def _record(data: bytes) -> FileRecord:
    return FileRecord(hashlib.sha256(data).hexdigest(), len(data))


# Cases


def check_manifest(case: int) -> tuple[str, str]:
    """Open a bundle whose manifest was changed."""
    good, _, public = _make_good()
    manifest = change_manifest(random.Random(f"{_SEED} manifest {case}"), _read(good, MANIFEST))
    with _sandbox() as folder:
        bundle = folder / "bundle"
        shutil.copytree(good, bundle)
        (bundle / MANIFEST).write_bytes(manifest)
        before = _list_files(folder)
        if manifest != _read(good, MANIFEST):
            with contextlib.suppress(SignatureError):
                load_bundle(bundle, signer=public)
                return "accepted", "although its owner did not sign it"
        result = _try(lambda: load_bundle(bundle), BundleError)
        if result[0] == "answered":
            if problem := find_lie(bundle):
                return "accepted", problem
            for arguments in (["inspect", str(bundle)], ["inspect", str(bundle), "--json"]):
                result = _try(lambda arguments=arguments: _run_quietly(arguments), ())
                if result[0] != "answered":
                    return result
        return result if _list_files(folder) == before else ("written", "")


def check_damaged_model(case: int) -> tuple[str, str]:
    """Open a bundle whose model's bytes were changed, and nothing else."""
    good, _, _ = _make_good()
    model = _change_model(case)
    with _sandbox() as folder:
        bundle = folder / "bundle"
        shutil.copytree(good, bundle)
        (bundle / _MODEL).write_bytes(model)
        word, detail = _try(lambda: load_bundle(bundle), BundleError)
        if word == "answered":
            return "accepted", "although its SHA-256 is wrong"
        return word, detail


def check_forged_model(case: int) -> tuple[str, str]:
    """Answer a photo with a bundle whose model was changed and whose manifest was made to fit."""
    good, _, _ = _make_good()
    rng = random.Random(f"{_SEED} graph {case}")
    model = _change_model(case) if case % 2 else change_graph(rng, _read(good, _MODEL))
    with _sandbox() as folder:
        bundle = folder / "bundle"
        shutil.copytree(good, bundle)
        (bundle / _MODEL).write_bytes(model)
        values = json.loads(_read(bundle, MANIFEST))
        values["files"][_MODEL] = vars(_record(model))
        (bundle / MANIFEST).write_text(json.dumps(values))
        before = _list_files(folder)

        def answer() -> None:
            with Classifier.open(bundle, threads=1) as classifier:
                classifier.predict(np.zeros((224, 224, 3), np.uint8))

        result = _try(answer, (BundleError, EngineError))
        return result if _list_files(folder) == before else ("written", "")


def check_zip(case: int) -> tuple[str, str]:
    """Unpack a zip file that was changed."""
    good, packed, public = _make_good()
    rng = random.Random(f"{_SEED} zip {case}")
    data = packed.read_bytes()
    if rng.random() < 0.5:
        data = change_entries(rng, data)
    if rng.random() < 0.6:
        data = mutate(rng, data, [packed.read_bytes()])
    with _sandbox() as folder:
        archive, out = folder / "bundle.zip", folder / "out"
        archive.write_bytes(data)
        before = _list_files(folder)
        word, detail = _try(lambda: unpack_bundle(archive, out), BundleError)
        if word == "answered":
            if problem := find_lie(out):
                return "accepted", problem
            load_bundle(out)  # and so everybody else takes it
            same = _read(out, MANIFEST) == _read(good, MANIFEST)
            signed = (out / SIGNATURE).exists()
            shutil.rmtree(out)
            if not (same and signed):
                with contextlib.suppress(SignatureError):
                    unpack_bundle(archive, out, signer=public)
                    return "accepted", "although its owner did not sign it"
        return (word, detail) if _list_files(folder) == before else ("written", detail)


CHECKS: dict[str, Callable[[int], tuple[str, str]]] = {
    "manifests": check_manifest,
    "damaged models": check_damaged_model,
    "forged models": check_forged_model,
    "zip files": check_zip,
}


def find_lie(bundle: Path) -> str | None:
    """Return what a bundle's manifest says that is not so; None if it describes its files."""
    manifest = json.loads(_read(bundle, MANIFEST))
    there = {path.name for path in bundle.iterdir()} - {SIGNATURE}
    if there != {MANIFEST, *manifest["files"]}:
        return f"files {sorted(there)}"
    if len({unicodedata.normalize("NFKC", name).casefold() for name in there}) != len(there):
        return f"names alike {sorted(there)}"
    for name, record in manifest["files"].items():
        path = bundle / name
        if path.is_symlink() or not path.is_file() or path.parent.resolve() != bundle.resolve():
            return f"{name!r} is no plain file"
        if record != {
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "size_bytes": path.stat().st_size,
        }:
            return f"{name!r} has another record"
    labels, variants = manifest["labels"], manifest["variants"]
    if len(set(labels)) != len(labels) or not all(type(label) is str for label in labels):
        return "labels"
    if not variants or any(not set(v["files"]) <= set(manifest["files"]) for v in variants):
        return "variants"
    if not 0 < manifest.get("temperature", 1.0) < 1000 or manifest.get("schema_version", 1) != 1:
        return "temperature or schema_version"
    return None


# Changes


def _change_model(case: int) -> bytes:
    rng = random.Random(f"{_SEED} model {case}")
    model = _read(_make_good()[0], _MODEL)
    return mutate(rng, model, [model])


def change_manifest(rng: random.Random, manifest: bytes) -> bytes:
    """Return a manifest with one to three values, keys or pieces of text changed."""
    if rng.random() < 0.15:
        return mutate(rng, manifest, [manifest])
    values = json.loads(manifest)
    for _ in range(rng.randint(1, 3)):
        _change_value(rng, values)
    text = json.dumps(values, ensure_ascii=rng.random() < 0.5)
    if rng.random() < 0.05:
        depth = rng.choice((50, 900, 5000, 200_000))
        text = text.replace('"created"', f'"deep": {"[" * depth}{"]" * depth}, "created"', 1)
    if rng.random() < 0.05:
        text = text.replace('"files"', '"files": {}, "files"', 1)
    return text.encode("utf-8", "surrogatepass")


def _change_value(rng: random.Random, values: dict[str, Any]) -> None:
    holder: Any = values
    while True:
        key = rng.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
        inner = holder[key]
        if not isinstance(inner, dict | list) or not inner or rng.random() < 0.3:
            break
        holder = inner
    kind = rng.choice(("replace", "replace", "drop", "rename", "repeat", "nest", "take over"))
    if kind == "drop":
        del holder[key]
    elif kind == "rename" and isinstance(holder, dict):
        holder[rng.choice([str(value)[:200] for value in _VALUES])] = holder.pop(key)
    elif kind == "repeat" and isinstance(holder, list):
        holder.append(inner)
    elif kind == "nest":
        holder[key] = rng.choice(([inner], {"x": inner}, str(inner)[:200]))
    elif kind == "take over":
        other = values.get(rng.choice(("labels", "files", "variants", "input", "name")))
        holder[key] = copy.deepcopy(other)
    else:
        holder[key] = rng.choice(_VALUES)


def change_graph(rng: random.Random, model: bytes) -> bytes:
    """Return a model with attributes, shapes, types, links or weights of its graph changed."""
    import onnx

    changed = onnx.load_from_string(model)
    graph = changed.graph
    number = rng.choice((-1, 0, 1, 2, 3, 255, 2**16, 2**31 - 1, 2**40, 2**63 - 1, -(2**63)))
    for _ in range(rng.randint(1, 3)):
        node, tensor = rng.choice(graph.node), rng.choice(graph.initializer)
        names = [name for each in graph.node for name in (*each.input, *each.output)]
        kind = rng.choice(
            ("attribute", "attribute", "dims", "type", "data", "link", "node", "drop")
        )
        if kind == "attribute" and node.attribute:
            attribute = rng.choice(node.attribute)
            attribute.i = number
            if attribute.ints:
                attribute.ints[rng.randrange(len(attribute.ints))] = number
        elif kind == "dims":
            tensor.dims[:] = [*tensor.dims, number] if rng.random() < 0.3 else [number]
        elif kind == "type":
            tensor.data_type = rng.randrange(25)
        elif kind == "data":
            tensor.raw_data = rng.choice(
                (b"", rng.randbytes(7), rng.randbytes(len(tensor.raw_data)))
            )
        elif kind == "link":
            node.input[rng.randrange(len(node.input))] = rng.choice(names)
        elif kind == "node":
            node.op_type = rng.choice(graph.node).op_type
        elif kind == "drop":
            graph.node.remove(node)
    return changed.SerializeToString()


def change_entries(rng: random.Random, data: bytes) -> bytes:
    """Return a zip file with an entry added, dropped, doubled, renamed, retyped or refilled."""
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        entries = [(info, packed.read(info)) for info in packed.infolist()]
        manifest = packed.read(MANIFEST)
    for _ in range(rng.randint(1, 2)):
        number = rng.randrange(len(entries))
        info, content = entries[number]
        name = rng.choice(
            [
                "../evil", "../../evil", "/tmp/edgecat-evil", "a/../../evil", "a/b/evil", "evil",
                "evil/", "..", ".", "", "Model.onnx", "mode\uff4c.onnx", "..\\evil", "bundle.json",
                "a\0b", f"x/{info.filename}", f"./{info.filename}", f"../{info.filename}",
            ]
        )  # fmt: skip
        kind = rng.choice(("add", "drop", "double", "rename", "retype", "refill", "manifest"))
        if kind == "add":
            entries.insert(number, (zipfile.ZipInfo(name), rng.randbytes(20)))
        elif kind == "drop" and len(entries) > 1:
            del entries[number]
        elif kind == "double":
            entries.append((info, content))
        elif kind == "rename":
            entries[number] = (zipfile.ZipInfo(name), content)
        elif kind == "retype":
            info.external_attr = rng.choice((0xA1FF, 0x21FF, 0x61FF, 0x11FF, 0x41FF, 0xC1FF)) << 16
        elif kind == "refill":
            entries[number] = (info, rng.choice((b"", bytes(2**20), content + b"x", content[1:])))
        elif info.filename == MANIFEST:
            entries[number] = (info, change_manifest(rng, manifest))
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", rng.choice((0, 8, 8, 12, 14))) as packed:
        for info, content in entries:
            packed.writestr(info, content, packed.compression)
    return file.getvalue()


# Tools


@contextlib.contextmanager
def _sandbox() -> Any:
    """Yield a folder deep enough that a path that climbs out stays within what is looked at."""
    with tempfile.TemporaryDirectory(prefix="edgecat-fuzz-") as top:
        deep = Path(top) / "a" / "b" / "c"
        deep.mkdir(parents=True)
        yield deep


def _list_files(folder: Path) -> list[tuple[str, int, int]]:
    """Return what is in a sandbox and around it: paths, sizes and times of change."""
    top = folder.parents[2]
    found = [*top.rglob("*"), *Path("/tmp").glob("edgecat-evil*"), *Path.cwd().iterdir()]
    return sorted(
        (str(path), (info := path.lstat()).st_size, info.st_mtime_ns)
        for path in found
        if path.is_file() or path.is_symlink()
    )


def _read(bundle: Path, name: str) -> bytes:
    return (bundle / name).read_bytes()


def _try(attempt: Callable[[], object], refusals: Any) -> tuple[str, str]:
    try:
        attempt()
    except refusals as error:
        return "refused", str(error)
    except Exception as error:
        return "exception", f"{type(error).__name__}: {error}"
    return "answered", ""


def _run_quietly(arguments: list[str]) -> None:
    with contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO(), encoding="utf-8")):
        _run(arguments)


@click.command()
@click.option("--cases", "num_cases", default=2000, show_default=True, help="Of each kind.")
def main(num_cases: int) -> None:
    """Run all cases, write the result, and fail if there is a finding."""
    outcomes: dict[str, Outcome] = {}
    for kind, check in CHECKS.items():
        with tempfile.TemporaryDirectory(prefix="edgecat-fuzz-") as folder:
            os.environ["TMPDIR"] = folder
            outcomes[kind] = outcome = run_cases(check, num_cases)
        print(f"{kind}: {dict(outcome.counts)}, slowest {outcome.slowest_s:.2f} s, peak "
              f"{outcome.peak_rss_bytes / 2**20:.0f} MiB, {outcome.duration_s:.0f} s")  # fmt: skip
        for finding in outcome.findings[:10]:
            print(" ", finding)
    kinds = {kind: outcome.to_dict() for kind, outcome in outcomes.items()}
    write_result("fuzz_bundles", {"num_cases_of_each_kind": num_cases, "kinds": kinds})
    if any(not set(outcome.counts) <= set(FINE) for outcome in outcomes.values()):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
