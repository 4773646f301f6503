"""Answers photos with the released model; runs on an emulated Pi and on the host alike.

answer_photos.py OUT.npz PHOTO...

Each call of `mark` ends a stretch of instructions that is counted on a Pi: see answers.py, which
reads the counts of the first NUM_COUNTED photos.
"""

import os
import sys

import numpy as np

from edgecat.bundle.store import load_bundle
from edgecat.photos.pixels import load_pixels
from edgecat.runtime.choice import open_engine

VARIANTS = ("onnxruntime-fp32", "onnxruntime-int8")
NUM_COUNTED = 3

mark = os.getppid


def main(out: str, *photos: str) -> None:
    """Save the pixels and each variant's logits."""
    counted, rest = photos[:NUM_COUNTED], photos[NUM_COUNTED:]
    load_pixels(photos[0])  # the first photo costs the imports of decoders too
    mark()
    pixels = [load_pixels(photo) for photo in counted]
    mark()
    pixels += [load_pixels(photo) for photo in rest]
    answers = {"pixels": np.stack(pixels)}
    for variant in VARIANTS:
        engine = open_engine(load_bundle("cats12"), variant, 1)
        mark()
        logits = [engine.run(photo[None]) for photo in pixels[:NUM_COUNTED]]
        mark()
        logits += [engine.run(photo[None]) for photo in pixels[NUM_COUNTED:]]
        answers[variant] = np.concatenate(logits)
    np.savez(out, **answers)


if __name__ == "__main__":
    main(*sys.argv[1:])
