"""Seeded changes to what bundles are made of: manifest values, model graphs, zip entries."""

import copy
import io
import json
import random
import zipfile
from typing import Any

from benchmarks.reliability.mutations import mutate
from edgecat.bundle.store import MANIFEST, SIGNATURE

# What a value of a manifest is replaced with: each has broken some reader of JSON.
_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, -(2**63), 10**400, 0.5, -0.0, 1e308, 1e-320,
    float("nan"), float("inf"), float("-inf"), "", "x", "0", "null", "\0", "a\0b", "\ud800",
    "\x1b[2J", "\u202e", "../x", "/etc/passwd", "..", ".", "C:\\x", MANIFEST, SIGNATURE,
    MANIFEST.upper(), "Model.onnx",
    "mode\uff4c.onnx", "x" * 300, "x" * 100_000, "\u0130", [], {}, [[]], [None], {"": ""},
)  # fmt: skip


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
