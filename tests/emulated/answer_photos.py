"""Answers photos with all variants that open; runs on an emulated Pi and on the host alike.

answer_photos.py BUNDLE OUT.npz PHOTO...

Each call of `mark` ends a stretch of instructions that is counted on a Pi: see answers.py, which
reads the counts of the first NUM_COUNTED photos.
"""

import os
import sys

import numpy as np

from edgecat.bundle.store import load_bundle
from edgecat.photos.pixels import load_pixels
from edgecat.runtime.choice import open_engine
from edgecat.runtime.engine import runs_here

NUM_COUNTED = 3

mark = os.getppid


def main(folder: str, out: str, *photos: str) -> None:
    """Save the pixels and each variant's logits, in the order of their counts."""
    counted, rest = photos[:NUM_COUNTED], photos[NUM_COUNTED:]
    load_pixels(photos[0])  # the first photo costs the imports of decoders too
    mark()
    pixels = [load_pixels(photo) for photo in counted]
    mark()
    pixels += [load_pixels(photo) for photo in rest]
    answers = {"pixels": np.stack(pixels)}
    bundle = load_bundle(folder)
    for variant in filter(runs_here, bundle.spec.variants):
        engine = open_engine(bundle, variant.name, 1)
        mark()
        logits = [engine.run(photo[None]) for photo in pixels[:NUM_COUNTED]]
        mark()
        logits += [engine.run(photo[None]) for photo in pixels[NUM_COUNTED:]]
        answers[variant.name] = np.concatenate(logits)
    np.savez(out, **answers)


if __name__ == "__main__":
    main(*sys.argv[1:])
