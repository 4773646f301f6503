"""The self-test: does this device see the pixels and give the answers of the exporting machine?

A bundle stores a few golden photos (drawings, in the formats that a device meets), the hash of the
pixels that the preprocessing made of each, and what each variant answered. On the device the same
photos go the same way.
"""

import base64
import dataclasses
from collections.abc import Mapping

import numpy as np

from edgecat.bundle.golden import GoldenPhoto, hash_pixels, load_golden
from edgecat.bundle.store import Bundle
from edgecat.errors import BundleError, ImageError, SelfTestError
from edgecat.photos.pixels import Pixels, load_pixels
from edgecat.runtime.device import CPU, name_on
from edgecat.runtime.engine import Engine, find_engine, find_tolerance


@dataclasses.dataclass(frozen=True)
class SelfTest:
    """A self-test that this device passed.

    Within the tolerance the first answer is the same wherever it leads by twice as much.

    Attributes:
        num_photos: Golden photos whose pixels were bit-equal; 0 where the bundle stores none.
        logit_gap: Largest difference of any logit from the stored one.
        tolerance: Largest that is accepted at the variant's precision.
    """

    num_photos: int
    logit_gap: float
    tolerance: float

    def describe(self) -> str:
        """Return the outcome as a line of text."""
        if not self.num_photos:
            return "no golden photos stored, nothing proven; export the bundle again"
        return (
            f"{self.num_photos} golden photos, pixels bit-equal, logits {self.logit_gap:.2g} off "
            f"(accepted: {self.tolerance:g})"
        )


def run_self_test(bundle: Bundle, engine: Engine, device: str = CPU) -> SelfTest:
    """Prove that this device answers a bundle's golden photos as the exporting machine did.

    Args:
        bundle: Opened. One of an older edgecat stores no golden photos: nothing is proven then.
        engine: One of its variants, open.
        device: On which it is.

    Raises:
        SelfTestError: Other pixels, or a logit further off than `find_tolerance` accepts.
        BundleError: The golden photos do not read, or there are no answers of this variant.
    """
    variant = bundle.spec.variant(engine.name)
    tolerance = find_tolerance(variant, device)
    golden = load_golden(bundle)
    gap = 0.0
    for photo in golden.photos:
        where = f"{bundle.name}: golden photo {photo.name}"
        expected = np.array(photo.logits.get(engine.name, ()), np.float32)
        if expected.shape != (len(bundle.spec.labels),):
            raise BundleError(
                f"{where}: stores {expected.size} logits of {engine.name}, the bundle has "
                f"{len(bundle.spec.labels)} labels; export the bundle again"
            )
        logits = engine.run(_load_equal_pixels(photo, where, bundle)[None])[0]
        this_gap = float(np.abs(logits - expected).max())
        if not this_gap <= tolerance:  # NaN neither
            raise SelfTestError(
                f"{where}: logits of {name_on(engine.name, device)} are up to {this_gap:.2g} from "
                f"those of the machine that exported, accepted are {tolerance:g}: here it would "
                "answer otherwise than was measured; choose another --variant, or install "
                f"{_exported_with(bundle, find_engine(variant).package)}"
            )
        gap = max(gap, this_gap)
    return SelfTest(len(golden.photos), gap, tolerance)


def _load_equal_pixels(photo: GoldenPhoto, where: str, bundle: Bundle) -> Pixels:
    try:
        pixels = load_pixels(base64.b64decode(photo.base64, validate=True), bundle.spec.input)
    except ValueError as error:  # binascii.Error, or a letter that no ASCII text has
        raise BundleError(f"{where}: not base64 ({error}); export the bundle again") from error
    except ImageError as error:
        raise SelfTestError(
            f"{where}: this machine cannot read it ({error}); install "
            f"{_exported_with(bundle, 'pillow')}"
        ) from error
    if hash_pixels(pixels) != photo.pixels_sha256:
        raise SelfTestError(
            f"{where}: its pixels are not those of the machine that exported, so no score of this "
            f"bundle holds here; install {_exported_with(bundle, 'pillow')}"
        )
    return pixels


def _exported_with(bundle: Bundle, package: str) -> str:
    """Return "pillow 13.0.0": the version that the stored answers are from."""
    versions = bundle.spec.provenance.get("versions")
    if isinstance(versions, Mapping) and package in versions:
        return f"{package} {versions[package]}"
    return f"the {package} that exported the bundle"
