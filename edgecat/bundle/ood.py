"""The out-of-distribution detector that a bundle carries."""

from edgecat.bundle.store import Bundle
from edgecat.scores.ood import KnownFeatures


def load_known(bundle: Bundle) -> KnownFeatures | None:
    """Return what a bundle knows of its classes' features; None where it cannot tell.

    Raises:
        BundleError: The file is damaged.
    """
    known = bundle.spec.known
    if known is None:
        return None
    return KnownFeatures.from_bytes(
        bundle.read(known.file), known.residual_weight, str(bundle.path / known.file)
    )
