"""Damaged and forged bundles through everything that opens or unpacks one.

python -m benchmarks.reliability.fuzz_bundles

Six kinds of cases, each made of a good, signed bundle by seeded changes:

- manifests: `bundle.json` with values, keys, types, sizes, names and text changed. With the owner's
  key required, every one must be refused. Without, one may be accepted ("answered") only if an
  oracle (oracle.py), written apart from edgecat's reader, finds that it still describes the files
  beside it, with no key twice and no score that cannot be one; a changed licence is such a case,
  and what signatures are for. It must then give an answer that is JSON, without NaN.
- damaged models: bytes of the model changed. Every one must be refused: its SHA-256 is wrong.
- forged models: the same, or attributes, shapes and links of the graph changed, with the SHA-256
  made right. Whoever can do that can put any model there, so it may be refused by the engine or
  answer anything; but the process must not crash or hang. This is about chance: a graph written
  to run forever (a Loop of 2**62 rounds) does. Only --require-signature keeps such a one out.
  An answer must be finite, and never made with weights of a file outside of the bundle.
- forged layers: models for ncnn, of random shapes, with words, numbers, lines or bytes changed in
  half of the cases; the manifest fits. What is refused must be so before ncnn reads it: it believes
  every count, and a wrong one would be a crash here, or nothing that can be seen.
- gzipped models: the good model, compressed, its bytes changed; the manifest fits. Answered only if
  Python's gzip module finds one whole file in it, which is the model.
- zip files: for `edgecat bundle unpack`, changed as bytes and entry by entry. One may be accepted
  only if what it makes is, byte for byte, the good bundle, or one whose manifest the oracle takes.

Anywhere else than where the bundle belongs, no file may come, go or change.
"""

import contextlib
import dataclasses
import gzip
import io
import json
import os
import random
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.reliability.forgeries import (
    change_entries,
    change_graph,
    change_layers,
    change_manifest,
)
from benchmarks.reliability.fuzzing import Outcome, run_cases
from benchmarks.reliability.good_bundle import MODEL, build_layers, make_good
from benchmarks.reliability.mutations import mutate
from benchmarks.reliability.oracle import find_lie, has_outside_data
from benchmarks.results import write_result
from edgecat.bundle.archive import unpack_bundle
from edgecat.bundle.gzipped import GZIPPED, compress
from edgecat.bundle.manifest import FileRecord, Variant
from edgecat.bundle.ncnn_file import write_param
from edgecat.bundle.store import MANIFEST, SIGNATURE, load_bundle, write_manifest
from edgecat.cli.main import _run
from edgecat.errors import BundleError, EngineError, SignatureError
from edgecat.runtime.classifier import Classifier

_SEED = 20_26

# Cases


def check_manifest(case: int) -> tuple[str, str]:
    """Open a bundle whose manifest was changed."""
    good, _, public = make_good()
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
            result = _try(lambda: _answer(bundle), (BundleError, EngineError))
        return result if _list_files(folder) == before else ("written", "")


def check_damaged_model(case: int) -> tuple[str, str]:
    """Open a bundle whose model's bytes were changed, and nothing else."""
    good, _, _ = make_good()
    model = _change_model(case)
    with _sandbox() as folder:
        bundle = folder / "bundle"
        shutil.copytree(good, bundle)
        (bundle / MODEL).write_bytes(model)
        word, detail = _try(lambda: load_bundle(bundle), BundleError)
        if word == "answered":
            return "accepted", "although its SHA-256 is wrong"
        return word, detail


def check_forged_model(case: int) -> tuple[str, str]:
    """Answer a photo with a bundle whose model was changed and whose manifest was made to fit."""
    good, _, _ = make_good()
    rng = random.Random(f"{_SEED} graph {case}")
    model = _change_model(case) if case % 2 else change_graph(rng, _read(good, MODEL))
    with _sandbox() as folder:
        bundle = folder / "bundle"
        shutil.copytree(good, bundle)
        (bundle / MODEL).write_bytes(model)
        values = json.loads(_read(bundle, MANIFEST))
        values["files"][MODEL] = vars(FileRecord.of(model))
        (bundle / MANIFEST).write_text(json.dumps(values))
        before = _list_files(folder)

        result = _try(lambda: _answer(bundle), (BundleError, EngineError))
        if result[0] == "answered" and has_outside_data(model):
            return "accepted", "although its weights lie elsewhere"
        return result if _list_files(folder) == before else ("written", "")


def check_forged_layers(case: int) -> tuple[str, str]:
    """Answer a photo with a model for ncnn that was changed, or has shapes of its own."""
    rng = random.Random(f"{_SEED} layers {case}")
    layers, numbers = build_layers(rng)
    param = write_param(layers)
    if case % 2:
        param, numbers = change_layers(rng, param, numbers)
    files = {"m.param": param, "m.bin": numbers}
    good = load_bundle(make_good()[0]).spec
    spec = dataclasses.replace(
        good,
        variants=(Variant("ncnn-fp32", tuple(files)),),
        files={name: FileRecord.of(data) for name, data in files.items()},
    )
    with _sandbox() as folder:
        for name, data in files.items():
            (folder / name).write_bytes(data)
        write_manifest(folder, spec)
        before = _list_files(folder)
        result = _try(lambda: _answer(folder), EngineError)
        return result if _list_files(folder) == before else ("written", "")


def check_gzipped_model(case: int) -> tuple[str, str]:
    """Open a bundle whose model lies compressed and was changed; its manifest was made to fit."""
    model, file = _read(make_good()[0], MODEL), f"{MODEL}{GZIPPED}"
    whole = compress(file, model)
    data = mutate(random.Random(f"{_SEED} gzip {case}"), whole, [whole])
    good = load_bundle(make_good()[0]).spec
    spec = dataclasses.replace(
        good,
        variants=(dataclasses.replace(good.variants[0], files=(file,)),),
        files={file: FileRecord.of(data)},
    )
    with _sandbox() as folder:
        (folder / file).write_bytes(data)
        write_manifest(folder, spec)
        before = _list_files(folder)
        word, detail = _try(lambda: _answer(folder), BundleError)
        if word == "answered" and gzip.decompress(data) != model:
            return "accepted", "although it is another model"
        return (word, detail) if _list_files(folder) == before else ("written", "")


def check_zip(case: int) -> tuple[str, str]:
    """Unpack a zip file that was changed."""
    good, packed, public = make_good()
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
    "forged layers": check_forged_layers,
    "gzipped models": check_gzipped_model,
    "zip files": check_zip,
}


# Tools


def _answer(bundle: Path) -> None:
    with Classifier.open(bundle, threads=1) as classifier:
        prediction = classifier.predict(np.zeros((224, 224, 3), np.uint8))
    json.dumps(prediction.to_dict(), allow_nan=False)


def _change_model(case: int) -> bytes:
    rng = random.Random(f"{_SEED} model {case}")
    model = _read(make_good()[0], MODEL)
    return mutate(rng, model, [model])


@contextlib.contextmanager
def _sandbox() -> Any:
    """Yield a folder deep enough that a path that leads out stays within what is looked at."""
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
            outcome = outcomes[kind] = run_cases(check, num_cases)
        print(f"{kind}: {outcome.describe()}")
    kinds = {kind: outcome.to_dict() for kind, outcome in outcomes.items()}
    write_result("fuzz_bundles", {"num_cases_of_each_kind": num_cases, "kinds": kinds})
    if any(outcome.findings for outcome in outcomes.values()):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
