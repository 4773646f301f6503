"""Whether a bundle is what its manifest says; written apart from edgecat's reader, to judge it."""

import hashlib
import json
import unicodedata
from pathlib import Path
from typing import Any

from edgecat.bundle.store import MANIFEST, SIGNATURE


def _note_doubles(pairs: list[tuple[str, Any]], doubled: list[str]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    doubled.extend(name for name in set(names) if names.count(name) > 1)
    return dict(pairs)


def _find_odd_score(score: dict[str, Any]) -> str | None:
    shares = [item for one in score.get("per_class", {}).values() for item in one.items()]
    for name, value in [*score.items(), *shares]:
        if value is None and name == "macro_f1_ratio":
            continue
        numbers = value if isinstance(value, list) else [value]
        if "interval" in name and (len(numbers) != 2 or numbers != sorted(numbers)):
            return name
        if name.endswith(("_ratio", "_p")) and not all(0 <= number <= 1 for number in numbers):
            return name
        if name.endswith("_pp") and not all(-100 <= number <= 100 for number in numbers):
            return name
    counts = [score.get("num_images", 0)]
    counts += [count for flips in score.get("flips", {}).values() for count in flips.values()]
    return None if min(counts) >= 0 else "a negative count"


def has_outside_data(model: bytes) -> bool:
    """Return whether onnx, which is not what edgecat looks with, finds external data in a model."""
    import onnx
    from google.protobuf.message import DecodeError
    from onnx.external_data_helper import _get_all_tensors

    try:
        parsed = onnx.load_from_string(model)
    except DecodeError:
        return False
    return any(
        tensor.HasField("data_location") and tensor.data_location
        for tensor in _get_all_tensors(parsed)
    )


def find_lie(bundle: Path) -> str | None:
    """Return what a bundle's manifest says that is not so; None if it describes its files."""
    doubled: list[str] = []
    manifest = json.loads(
        (bundle / MANIFEST).read_bytes(),
        object_pairs_hook=lambda pairs: _note_doubles(pairs, doubled),
    )
    if doubled:
        return f"twice: {doubled}"
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
    if not 0.05 <= manifest.get("temperature", 1.0) <= 20:
        return "temperature"
    for variant in variants:
        if problem := _find_odd_score(variant.get("score") or {}):
            return problem
        verdict = variant.get("verdict")
        if verdict is not None and not 1e-3 <= verdict["latency_ratio"] <= 1e3:
            return "latency_ratio"
    if manifest.get("schema_version", 2) not in (1, 2, 3):
        return "schema_version"
    return None
