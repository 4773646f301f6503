"""Whether a bundle is what its manifest says; written apart from edgecat's reader, to judge it."""

import hashlib
import json
import unicodedata
from pathlib import Path

from edgecat.bundle.store import MANIFEST, SIGNATURE


def find_lie(bundle: Path) -> str | None:
    """Return what a bundle's manifest says that is not so; None if it describes its files."""
    manifest = json.loads((bundle / MANIFEST).read_bytes())
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
