"""Seeded damage to bytes and to what image files are made of, for the fuzzers beside this file."""

import random
import struct
import zlib
from collections.abc import Callable, Sequence

# Numbers at which lengths and sizes overflow, in the widths that file formats use.
_LIMITS = (0, 1, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0xFFFFFFFF)

_PNG = b"\x89PNG\r\n\x1a\n"

# Where sizes, depths and counts of a file mostly stand.
_HEADER_BYTES = 64


def mutate(rng: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Return `data` after one to four random changes.

    Args:
        rng: Decides everything.
        data: A good file.
        others: Good files, to take parts from.
    """
    changed = bytes(data)
    while changed == data:
        for _ in range(rng.randint(1, 4)):
            change = rng.choice(_CHANGES)
            changed = bytes(change(rng, bytearray(changed), others)) or changed[:1]
        # Decoders stop at a wrong checksum, and would never see what was changed behind it.
        changed = _mend_png(changed) if rng.random() < 0.7 else changed
    return changed


def _flip_bits(rng: random.Random, data: bytearray, others: Sequence[bytes]) -> bytes:
    for _ in range(rng.choice((1, 1, 2, 8, 64))):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return data


def _set_bytes(rng: random.Random, data: bytearray, others: Sequence[bytes]) -> bytes:
    start, length = rng.randrange(len(data)), rng.choice((1, 2, 4, 16))
    data[start : start + length] = bytes([rng.choice((0, 0x7F, 0x80, 0xFF))]) * length
    return data


def _set_number(rng: random.Random, data: bytearray, others: Sequence[bytes]) -> bytes:
    layout = rng.choice((">H", "<H", ">L", "<L"))
    size_bytes = struct.calcsize(layout)
    end = min(len(data), _HEADER_BYTES) if rng.random() < 0.6 else len(data)
    if end < size_bytes:
        return data
    number = rng.choice((*_LIMITS, rng.randrange(2**16))) % 2 ** (8 * size_bytes)
    struct.pack_into(layout, data, rng.randrange(end - size_bytes + 1), number)
    return data


def _truncate(rng: random.Random, data: bytearray, others: Sequence[bytes]) -> bytes:
    return data[: rng.randrange(len(data))]


def _cut_out(rng: random.Random, data: bytearray, others: Sequence[bytes]) -> bytes:
    start = rng.randrange(len(data))
    return data[:start] + data[start + rng.choice((1, 2, 16, 256)) :]


def _repeat(rng: random.Random, data: bytearray, others: Sequence[bytes]) -> bytes:
    start = rng.randrange(len(data))
    part = data[start : start + rng.choice((1, 4, 64, 1024))]
    return data[:start] + part * rng.choice((2, 3, 20)) + data[start:]


def _splice(rng: random.Random, data: bytearray, others: Sequence[bytes]) -> bytes:
    other = rng.choice(others)
    return data[: rng.randrange(len(data))] + other[rng.randrange(len(other)) :]


def _append(rng: random.Random, data: bytearray, others: Sequence[bytes]) -> bytes:
    return data + rng.randbytes(rng.choice((1, 16, 1000)))


def _shuffle_parts(rng: random.Random, data: bytearray, others: Sequence[bytes]) -> bytes:
    """Drop, double or swap whole chunks, segments or blocks."""
    parts = split_parts(bytes(data))
    one, two = rng.randrange(len(parts)), rng.randrange(len(parts))
    kind = rng.choice(("drop", "double", "swap", "take over"))
    if kind == "drop":
        del parts[one]
    elif kind == "double":
        parts.insert(two, parts[one])
    elif kind == "swap":
        parts[one], parts[two] = parts[two], parts[one]
    else:
        parts.insert(one, rng.choice(split_parts(rng.choice(others))))
    return b"".join(parts)


_Change = Callable[[random.Random, bytearray, Sequence[bytes]], bytes]
_CHANGES: tuple[_Change, ...] = (
    _flip_bits, _set_bytes, _set_number, _set_number, _truncate, _cut_out, _repeat, _splice,
    _append, _shuffle_parts, _shuffle_parts,
)  # fmt: skip


def split_parts(data: bytes) -> list[bytes]:
    """Return a PNG's chunks, a RIFF's chunks or a JPEG's segments; of other files, quarters."""
    if data.startswith(_PNG):
        return _split_chunks(data, len(_PNG), ">L", extra_bytes=8)
    if data.startswith(b"RIFF"):
        return _split_chunks(data, 12, "<4xL", extra_bytes=0)
    if data.startswith(b"\xff\xd8"):
        return _split_segments(data)
    step = max(1, len(data) // 4)
    return [data[i : i + step] for i in range(0, len(data), step)]


def _split_chunks(data: bytes, start: int, layout: str, extra_bytes: int) -> list[bytes]:
    # Source: PNG (Third Edition), 5.3: length, type, data, CRC; WebP container: type, length, data.
    parts, at = [data[:start]], start
    while at + 8 <= len(data):
        (length,) = struct.unpack_from(layout, data, at)
        end = at + struct.calcsize(layout) + length + extra_bytes + (layout[0] == "<") * length % 2
        parts.append(data[at:end])
        at = end
    return [*parts, data[at:]] if at < len(data) else parts


def _split_segments(data: bytes) -> list[bytes]:
    # Source: ITU T.81, B.1.1: FF, marker, length (big-endian, with itself); FFDA begins the scan.
    parts, at = [data[:2]], 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:
        end = at + 2 + struct.unpack_from(">H", data, at + 2)[0]
        parts.append(data[at:end])
        at = end
    return [*parts, data[at:]]


def _mend_png(data: bytes) -> bytes:
    """Return a PNG with the right checksums; anything else as it is."""
    if not data.startswith(_PNG):
        return data
    head, *chunks = split_parts(data)
    mended = [
        chunk[:-4] + struct.pack(">L", zlib.crc32(chunk[4:-4])) if len(chunk) >= 12 else chunk
        for chunk in chunks
    ]
    return b"".join([head, *mended])
