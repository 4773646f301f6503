"""A fresh process that opens a variant, answers one picture and says what that took.

Run as `python -m edgecat.bench.cold BUNDLE VARIANT THREADS DEVICE`; `edgecat.bench.cold_starts`
times it from outside, from the start of the process to its line, which comes with the answer: to
give a model back and to end the process takes time that nobody waits for.
"""

import json
import sys

import numpy as np

from edgecat.machine.memory import peak_rss_bytes
from edgecat.runtime.classifier import Classifier


def main(bundle: str, variant: str, threads: str, device: str) -> None:
    """Answer a grey picture and print the process's peak memory as JSON."""
    with Classifier.open(bundle, variant, threads=int(threads), device=device) as classifier:
        side_px = classifier.bundle.spec.input.shorter_side_px
        classifier.predict(np.full((side_px, side_px, 3), 128, np.uint8))
        sys.stdout.write(json.dumps({"peak_rss_bytes": peak_rss_bytes()}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
