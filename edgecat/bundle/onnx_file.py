"""Whether an ONNX file holds all of its numbers, told without the onnx package.

A tensor may say that its data lies in another file. ONNX Runtime then looks for that file beside
the model or, for a model from memory, in the current directory of the process, and has no option
to leave that be. Nothing in a bundle vouches for such a file, so a model that names one is refused.

Source: onnx/onnx.proto for the fields, protobuf.dev/programming-guides/encoding for the bytes.
"""

from collections.abc import Iterator

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

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_NUM_FIXED_BYTES = {_FIXED64: 8, _FIXED32: 4}

# A field's number and type are one uint32; parsers do not agree on what is longer.
_MAX_TAG_BYTES, _MAX_VARINT_BYTES = 5, 10
_MAX_TAG = 2**32 - 1


def names_other_files(model: bytes) -> bool:
    """Return whether an ONNX model takes any number from elsewhere than its own bytes.

    Weights, constants, sparse ones, and those within sub-graphs and functions are looked at.

    Raises:
        ValueError: The bytes are not of the form of ONNX.
    """
    waiting = [("model", 0, len(model))]
    while waiting:
        message, start, end = waiting.pop()
        for field, kind, value, value_end in _fields(model, start, end):
            inner = _INNER[message].get(field)
            if inner is not None and kind == _BYTES:
                waiting.append((inner, value, value_end))
            elif message == "tensor" and _is_external(field, kind, value):
                return True
    return False


def _is_external(field: int, kind: int, value: int) -> bool:
    return field == _EXTERNAL_DATA or (field == _DATA_LOCATION and (kind, value) != (_VARINT, 0))


def _fields(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield number, wire type, value and end of each field; of bytes, the value is their start.

    Raises:
        ValueError: Something that is no field.
    """
    while start < end:
        tag, start = _read_varint(data, start, end, _MAX_TAG_BYTES)
        field, kind = tag >> 3, tag & 7
        if not field or tag > _MAX_TAG:
            raise ValueError(f"no field starts at byte {start}")
        if kind == _VARINT:
            value, value_end = _read_varint(data, start, end, _MAX_VARINT_BYTES)
        elif kind == _BYTES:
            size, value = _read_varint(data, start, end, _MAX_VARINT_BYTES)
            value_end = value + size
        elif kind in _NUM_FIXED_BYTES:
            value, value_end = start, start + _NUM_FIXED_BYTES[kind]
        else:
            raise ValueError(f"a field of wire type {kind} at byte {start}")
        if value_end > end:
            raise ValueError("cut off")
        yield field, kind, value, value_end
        start = value_end


def _read_varint(data: bytes, start: int, end: int, max_bytes: int) -> tuple[int, int]:
    if start < end and data[start] < 0x80:  # nearly all are one byte long
        return data[start], start + 1
    value = 0
    for position in range(start, min(start + max_bytes, end)):
        byte = data[position]
        value |= (byte & 0x7F) << 7 * (position - start)
        if byte < 0x80:
            return value, position + 1
    raise ValueError(f"cut off, or a number too long, at byte {start}")
