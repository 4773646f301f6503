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
import functools
import hashlib
import io
import json
import os
import random
import shutil
import tempfile
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
from forgeries import change_entries, change_graph, change_manifest
from fuzzing import FINE, Outcome, run_cases
from mutations import mutate
from results import write_result

from edgecat.bundle.archive import pack_bundle, unpack_bundle
from edgecat.bundle.manifest import FileRecord, ModelSpec, Variant
from edgecat.bundle.signature import make_key
from edgecat.bundle.store import MANIFEST, SIGNATURE, load_bundle, sign_bundle, write_manifest
from edgecat.cli.main import _run
from edgecat.errors import BundleError, EngineError, SignatureError
from edgecat.runtime.classifier import Classifier

_SEED = 20_26

_MODEL, _EXTRA = "model.onnx", "photos.json"

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
    if not 0 < manifest.get("temperature", 1.0) < 1000:
        return "temperature"
    if manifest.get("schema_version", 2) not in (1, 2):
        return "schema_version"
    return None


# Tools


def _change_model(case: int) -> bytes:
    rng = random.Random(f"{_SEED} model {case}")
    model = _read(_make_good()[0], _MODEL)
    return mutate(rng, model, [model])


@contextlib.contextmanager
def _sandbox() -> Any:
    """Yield a folder deep enough that a path that searches out stays within what is looked at."""
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
