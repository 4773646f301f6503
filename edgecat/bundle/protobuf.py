"""The bytes of protobuf messages, the form of ONNX files: numbered fields, read and written.

Source: protobuf.dev/programming-guides/encoding.
"""

from collections.abc import Iterator

#: How a field is written.
VARINT, _FIXED64, BYTES, _FIXED32 = 0, 1, 2, 5
_NUM_FIXED_BYTES = {_FIXED64: 8, _FIXED32: 4}

# A field's number and type are one uint32; parsers do not agree on what is longer.
_MAX_TAG_BYTES, _MAX_VARINT_BYTES = 5, 10
_MAX_TAG = 2**32 - 1


def read_fields(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield number, wire type, value and end of each field; of bytes, the value is their start.

    Raises:
        ValueError: Something that is no field.
    """
    while start < end:
        tag, start = _read_varint(data, start, end, _MAX_TAG_BYTES)
        field, kind = tag >> 3, tag & 7
        if not field or tag > _MAX_TAG:
            raise ValueError(f"no field starts at byte {start}")
        if kind == VARINT:
            value, value_end = _read_varint(data, start, end, _MAX_VARINT_BYTES)
        elif kind == BYTES:
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


def write_field(number: int, value: bytes | str | int) -> bytes:
    """Return a field: a message, a text or bytes; or a whole number that is not negative."""
    if isinstance(value, int):
        return _write_varint(number << 3 | VARINT) + _write_varint(value)
    data = value.encode() if isinstance(value, str) else value
    return _write_varint(number << 3 | BYTES) + _write_varint(len(data)) + data


def _write_varint(value: int) -> bytes:
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*written, value])
