"""Whether an ONNX file holds all of its numbers, told without the onnx package.

A tensor may say that its data lies in another file. ONNX Runtime then looks for that file beside
the model or, for a model from memory, in the current directory of the process, and has no option
to leave that be. Nothing in a bundle vouches for such a file, so a model that names one is refused.

Source: onnx/onnx.proto for the fields.
"""

from edgecat.bundle.protobuf import BYTES, VARINT, read_fields

# Message -> its fields that hold messages in which a tensor may be, however deep.
_INNER = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse tensor"},
    "node": {5: "attribute"},
    "attribute": {
        5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse tensor",
        23: "sparse tensor",
    },
    "sparse tensor": {1: "tensor", 2: "tensor"},
    "tensor": {},
}  # fmt: skip

# Of a tensor: where its external data lies, and whether it has such data (0: it has not).
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14


def names_other_files(model: bytes) -> bool:
    """Return whether an ONNX model takes any number from elsewhere than its own bytes.

    Weights, constants, sparse ones, and those within sub-graphs and functions are looked at.

    Raises:
        ValueError: The bytes are not of the form of ONNX.
    """
    waiting = [("model", 0, len(model))]
    while waiting:
        message, start, end = waiting.pop()
        for field, kind, value, value_end in read_fields(model, start, end):
            inner = _INNER[message].get(field)
            if inner is not None and kind == BYTES:
                waiting.append((inner, value, value_end))
            elif message == "tensor" and _is_external(field, kind, value):
                return True
    return False


def _is_external(field: int, kind: int, value: int) -> bool:
    return field == _EXTERNAL_DATA or (field == _DATA_LOCATION and (kind, value) != (VARINT, 0))
