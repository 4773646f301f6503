"""Seeded changes to what bundles are made of: manifest values, model graphs, zip entries."""

import copy
import io
import json
import random
import re
import zipfile
from typing import Any

import numpy as np

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

# What a number of a manifest is multiplied with: some stay likely, none stays what it was.
_FACTORS = (-1, 0.5, 2, 50, 1e-6, 1e6, 1e-320, 1e300)

#: Files that a forged model takes its weights from: the first is there, in the current directory.
OUTSIDE = ("pyproject.toml", "../pyproject.toml", "/etc/passwd", "none.bin", "")


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
    if rng.random() < 0.1:
        text = _double_key(rng, text)
    return text.encode("utf-8", "surrogatepass")


def _double_key(rng: random.Random, text: str) -> str:
    """Give one key a second value, before or behind its own."""
    found = rng.choice(list(re.finditer(r'"(\w+)": ("\w*"|[\d.]+)(?=[,}])', text)))
    value = json.dumps(rng.choice(("x", 1, 0.25, [], {}, "mobilenet_v3_large")))
    pairs = [found[0], f'"{found[1]}": {value}']
    rng.shuffle(pairs)
    return text[: found.start()] + ", ".join(pairs) + text[found.end() :]


def _change_value(rng: random.Random, values: dict[str, Any]) -> None:
    holder: Any = values
    while True:
        key = rng.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
        inner = holder[key]
        if not isinstance(inner, dict | list) or not inner or rng.random() < 0.3:
            break
        holder = inner
    kind = rng.choice(
        ("replace", "replace", "drop", "rename", "repeat", "nest", "take over", "twist", "twist")
    )
    if kind == "twist" and isinstance(inner, int | float):
        holder[key] = inner * rng.choice(_FACTORS)
    elif kind == "twist" and isinstance(inner, list):
        rng.shuffle(inner)
    elif kind == "drop":
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
            ("attribute", "attribute", "dims", "type", "data", "link", "node", "drop", "outside")
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
        elif kind == "outside":
            _move_outside(rng, graph, tensor)
    return changed.SerializeToString()


def change_layers(rng: random.Random, param: bytes, numbers: bytes) -> tuple[bytes, bytes]:
    """Return a model for ncnn with numbers, words, lines or bytes changed, or its weights."""
    lines = param.decode().split("\n")
    for _ in range(rng.randint(1, 3)):
        place = rng.randrange(len(lines))
        kind = rng.choice(
            ("number", "number", "word", "drop", "double", "swap", "bytes", "numbers")
        )
        if kind == "number":
            found = list(re.finditer(r"-?\d+", lines[place])) or [re.match("", lines[place])]
            chosen = rng.choice(found)
            number = str(
                rng.choice((-1, 0, 1, 2, 3, 8, 255, 2**16, 2**31 - 1, 2**31, 2**63, 10**30))
            )
            lines[place] = lines[place][: chosen.start()] + number + lines[place][chosen.end() :]
        elif kind == "word":
            words = lines[place].split(" ")
            words[rng.randrange(len(words))] = rng.choice(" ".join(lines).split(" "))
            lines[place] = " ".join(words)
        elif kind == "drop" and len(lines) > 1:
            del lines[place]
        elif kind == "double":
            lines.insert(rng.randrange(len(lines)), lines[place])
        elif kind == "swap":
            other = rng.randrange(len(lines))
            lines[place], lines[other] = lines[other], lines[place]
        elif kind == "bytes":
            damaged = mutate(rng, "\n".join(lines).encode(), [param])
            lines = damaged.decode("latin-1").split("\n")
        elif kind == "numbers":
            numbers = mutate(rng, numbers, [numbers])
    return "\n".join(lines).encode("latin-1"), numbers


def _move_outside(rng: random.Random, graph: Any, tensor: Any) -> None:
    """Let a tensor's data, as a weight or as a constant in a branch, lie in another file."""
    import onnx
    from onnx import helper, numpy_helper

    size_bytes = len(tensor.raw_data)
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=rng.choice(OUTSIDE))
    tensor.external_data.add(key="length", value=str(size_bytes))
    if rng.random() < 0.5:
        constant = helper.make_node("Constant", [], ["inner"], value=tensor)
        value = helper.make_tensor_value_info("inner", tensor.data_type, None)
        branch = helper.make_graph([constant], "branch", [], [value])
        yes = helper.make_node(
            "Constant", [], ["yes"], value=numpy_helper.from_array(np.array(True), "yes")
        )
        node = helper.make_node(
            "If", ["yes"], [tensor.name], then_branch=branch, else_branch=branch
        )
        graph.initializer.remove(tensor)
        graph.node.insert(0, node)
        graph.node.insert(0, yes)


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
