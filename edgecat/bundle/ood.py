"""The out-of-distribution detector that a bundle carries."""

from edgecat.bundle.store import Bundle
from edgecat.scores.ood import OodDetector


def load_detector(bundle: Bundle) -> OodDetector | None:
    """Return a bundle's detector; None where it cannot tell strangers.

    Raises:
        BundleError: The file is damaged.
    """
    ood = bundle.spec.ood
    if ood is None:
        return None
    return OodDetector.from_bytes(
        bundle.read(ood.file), ood.residual_weight, str(bundle.path / ood.file)
    )
