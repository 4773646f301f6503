"""Golden photos: drawings whose pixels and answers are known, in a file of the bundle."""

import dataclasses
import hashlib

from edgecat.bundle.store import Bundle
from edgecat.errors import BundleError
from edgecat.photos.pixels import Pixels
from edgecat.strict import build, read_json, to_json

GOLDEN_FILE = "golden.json"

# A release's has 16 kB; six photos, answered by eight variants with 10,000 logits, have 10 MB.
_MAX_BYTES = 16 * 2**20


@dataclasses.dataclass(frozen=True)
class GoldenPhoto:
    """A photo whose pixels and answers are known.

    Attributes:
        name: What it is there for: "large.jpg".
        base64: The file's bytes.
        pixels_sha256: Of the uint8 `[H, W, 3]`, RGB, that `edgecat.photos.pixels` makes of it.
        logits: What each variant answered, by the variant's name.
    """

    name: str
    base64: str
    pixels_sha256: str
    logits: dict[str, tuple[float, ...]]


@dataclasses.dataclass(frozen=True)
class Golden:
    """What `golden.json` holds."""

    photos: tuple[GoldenPhoto, ...]

    def to_json(self) -> str:
        """Return the file's text."""
        return to_json(dataclasses.asdict(self), indent=0) + "\n"


def load_golden(bundle: Bundle) -> Golden:
    """Read a bundle's golden photos; none where it has no such file.

    Raises:
        BundleError: The file does not read, or is too large to be one of ours.
    """
    record = bundle.spec.files.get(GOLDEN_FILE)
    if record is None:
        return Golden(())
    where = str(bundle.path / GOLDEN_FILE)
    if record.size_bytes > _MAX_BYTES:
        raise BundleError(
            f"{where}: {record.size_bytes} bytes, at most {_MAX_BYTES} are accepted; export the "
            "bundle again"
        )
    values = read_json(bundle.read(GOLDEN_FILE), where, BundleError)
    return build(Golden, values, where, BundleError)


def hash_pixels(pixels: Pixels) -> str:
    """Return the hex SHA-256 of pixels, row by row."""
    return hashlib.sha256(pixels.tobytes()).hexdigest()
