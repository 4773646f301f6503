"""A bundle and a few photos -> a bundle with one more class, proven as any.

Nothing is written before every proof has been given.
"""

import contextlib
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgecat.bundle.head import load_head
from edgecat.bundle.known_features import (
    KNOWN_FEATURES_FILE,
    KnownFeatures,
    LabelledFeatures,
    load_known_features,
)
from edgecat.bundle.plain import name_bundle
from edgecat.bundle.store import Bundle, check_replaceable, load_bundle
from edgecat.enroll.contents import Addition, write_enrolled_bundle
from edgecat.enroll.fitting import Material, Unit, fit_unit
from edgecat.enroll.new_photos import load_new_photos
from edgecat.enroll.proof import ProvenVariants, prove_variants
from edgecat.errors import BundleError
from edgecat.photos.labels import check_new_label
from edgecat.photos.pixels import Pixels
from edgecat.progress import Progress, Silent
from edgecat.runtime.choice import open_engine
from edgecat.runtime.device import CPU
from edgecat.runtime.engine import find_precision
from edgecat.scores.head import Head
from edgecat.scores.metrics import Logits
from edgecat.scores.new_class import Known
from edgecat.scores.ood import Features

# Of photos of the old classes, which `fit_class` compares each with each: an export tells of some
# 300, each enrolment adds its own. With this many the matrix of all pairs has 128 MB.
_MAX_KNOWN = 4000


@dataclasses.dataclass(frozen=True)
class Enrolment:
    """What came of it.

    Attributes:
        label: The new class.
        num_photos: Photos that it was learned from.
        num_broken: Photos that could not be read.
        num_duplicates: Photos left out because another one is nearly the same.
        unit: What was fitted, and how good it is as far as these photos tell.
        proven: The variants of the new bundle, and those left out.
        was_signed: Whether the bundle before was; the new one is not.
    """

    label: str
    num_photos: int
    num_broken: int
    num_duplicates: int
    unit: Unit
    proven: ProvenVariants
    was_signed: bool

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as `edgecat enroll --json` prints them."""
        unit = self.unit
        return {
            "label": self.label,
            "num_photos": self.num_photos,
            "num_broken": self.num_broken,
            "num_duplicates": self.num_duplicates,
            "num_found_when_left_out": unit.num_found,
            "num_claimed": unit.num_claimed,
            "num_held_out": unit.num_held_out,
            "nearest": unit.nearest,
            "variants": list(self.proven.names),
            "left_out": self.proven.left_out,
            "was_signed": self.was_signed,
        }


def enroll(
    bundle: str | Path,
    label: str,
    files: Sequence[Path],
    out: Path,
    progress: Progress | None = None,
) -> Enrolment:
    """Add a class to a bundle.

    Args:
        bundle: A folder, or a released model's name.
        label: The new class.
        files: Its photos.
        out: The bundle to make or replace; it may be the same folder.
        progress: Told of each step.

    Raises:
        ConfigError: A label that is none, or that is there already.
        BundleError: No bundle, one without features of its photos, something else at `out`, or a
            name there that no manifest can hold.
        DatasetError: Too few photos, or photos that look like those of a known class.
        SelfTestError: This device does not answer as the one that exported.
        EngineError: The float model does not open here.
        StorageError: The disk is full; what stood at `out` is intact.
    """
    progress = progress or Silent()
    check_replaceable(out)
    name_bundle(out)  # refused before the work, not after
    before = load_bundle(bundle)
    label = check_new_label(label, before.spec.labels)
    known, head = load_known_features(before), load_head(before)
    _check_fit(before, known, head)
    photos = load_new_photos(files, before.spec.input, progress)
    logits, features = _answer(before, photos.pixels, head)
    old, held_out = _see(known.train, head), _see(known.held_out, head)
    material = Material(old, held_out, features, logits, before.spec.labels)
    unit = fit_unit(material, label)
    proven = prove_variants(before, unit.layer, photos.pixels, progress)
    write_enrolled_bundle(before, Addition(label, photos.hashes, material, unit, proven), out)
    return Enrolment(
        label, len(photos.pixels), photos.num_broken, photos.num_duplicates, unit, proven,
        was_signed=before.signature is not None,
    )  # fmt: skip


def _check_fit(bundle: Bundle, known: KnownFeatures, head: Head) -> None:
    """Refuse features that are not those which the model's head reads, or too many.

    Raises:
        BundleError: They are another model's, or of more than `_MAX_KNOWN` photos.
    """
    num_features, num_read = known.train.features.shape[1], head.layers[0].weights.shape[1]
    if num_features != num_read:
        raise BundleError(
            f"{bundle.name}: {KNOWN_FEATURES_FILE} has {num_features} features a photo, the model "
            f"{num_read}; export the run again"
        )
    if (num_known := len(known.train.targets)) > _MAX_KNOWN:
        raise BundleError(
            f"{bundle.name}: {KNOWN_FEATURES_FILE} tells of {num_known} photos to learn from; "
            f"accepted are {_MAX_KNOWN}: fine-tune with photos of all classes, 'edgecat finetune'"
        )


def _answer(bundle: Bundle, photos: Pixels, head: Head) -> tuple[Logits, Features]:
    """Return the float model's logits `[N, K]` and features `[N, F]`, photo by photo.

    Raises:
        BundleError: Its head was read otherwise than it computes.
    """
    name = bundle.spec.reference
    with contextlib.closing(open_engine(bundle, name, device=CPU)) as engine:
        pairs = [engine.run_with_features(photo[None]) for photo in photos]
    logits, features = (np.concatenate(part) for part in zip(*pairs, strict=True))
    gap = float(np.abs(head.logits(features) - logits).max())
    tolerance = find_precision(bundle.spec.variant(name)).logit_tolerance
    if not gap <= tolerance:
        raise BundleError(
            f"{bundle.name}: the head of {name} gives logits up to {gap:.2g} from the model's, "
            f"accepted are {tolerance:g}; export the run again with this edgecat"
        )
    return logits, features


def _see(photos: LabelledFeatures, head: Head) -> Known:
    return Known(photos.features, head.logits(photos.features), photos.targets)
