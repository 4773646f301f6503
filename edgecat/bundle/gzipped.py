"""Model files that lie in a bundle compressed by gzip, as their names say: "x.xml.gz".

Whoever makes or opens a model has plain bytes and knows nothing of this: files are compressed
where a bundle is written, and decompressed where a model's files are read (`edgecat.bundle.store`).
A bundle's hashes and sizes are those of its files as they lie there.
"""

import zlib

from edgecat.errors import BundleError

#: The ending of the names.
GZIPPED = ".gz"

#: A graph's XML is about 300 kB, a model file about 20 MB. A stranger's file could become a
#: thousand times as large, more than a device's memory.
MAX_PLAIN_BYTES = 64 * 2**20

# With gzip's header and checksum. Source: zlib's manual, deflateInit2.
_WINDOW_BITS = 16 + zlib.MAX_WBITS

_MEND = "copy the bundle again or export it again"


def compress(file: str, data: bytes) -> bytes:
    """Return what is to lie in a bundle under a file's name: the same for the same data.

    Args:
        file: The name.
        data: Plain.

    Raises:
        BundleError: More than `decompress` would take.
    """
    if not file.endswith(GZIPPED):
        return data
    if len(data) > MAX_PLAIN_BYTES:
        raise BundleError(
            f"{file}: {len(data)} bytes, but at most {MAX_PLAIN_BYTES} are compressed; give it a "
            f"name without {GZIPPED}"
        )
    # The header that zlib writes holds no name and no time.
    return zlib.compress(data, zlib.Z_BEST_COMPRESSION, _WINDOW_BITS)


def decompress(file: str, data: bytes) -> bytes:
    """Return the plain bytes of what lies in a bundle under a file's name.

    Args:
        file: The name, with its folder for messages.
        data: As it lies there.

    Raises:
        BundleError: It is no gzip file, damaged, cut off, followed by something, or too large.
    """
    if not file.endswith(GZIPPED):
        return data
    stream = zlib.decompressobj(_WINDOW_BITS)
    try:
        plain = stream.decompress(data, MAX_PLAIN_BYTES + 1)
    except zlib.error as error:
        raise BundleError(f"{file}: no gzip file, or damaged ({error}); {_MEND}") from error
    if len(plain) > MAX_PLAIN_BYTES:
        raise BundleError(
            f"{file}: more than {MAX_PLAIN_BYTES} bytes when decompressed, the most that is "
            f"accepted; {_MEND}"
        )
    if not stream.eof or stream.unused_data:
        what = "something follows the gzip file" if stream.eof else "the gzip file is cut off"
        raise BundleError(f"{file}: {what}; {_MEND}")
    return plain
