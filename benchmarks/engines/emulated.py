"""A variant answers photos in a process of its own, which may run on an emulated processor."""

import os
import re
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np

from edgecat.photos.pixels import Pixels
from edgecat.scores.metrics import Logits

_PROJECT = Path(__file__).parents[2]

#: Photos whose instructions are counted: the first ones.
NUM_COUNTED = 3

# Answers photos with a variant, and counts the instructions of the first.
_CHILD = f"""
import os, sys
import numpy as np
from edgecat.bundle.store import load_bundle
from edgecat.errors import EngineError
from edgecat.runtime.choice import open_engine
bundle, variant, photos, out = sys.argv[1:]
photos = np.load(photos)
try:
    engine = open_engine(load_bundle(bundle), variant, 1)
except EngineError as error:
    sys.exit(0 if "this CPU has no" in str(error) else str(error))
counted = photos[:{NUM_COUNTED}]
os.getppid()
logits = [engine.run(photo[None]) for photo in counted]
os.getppid()
logits += [engine.run(photo[None]) for photo in photos[{NUM_COUNTED}:]]
np.save(out, np.concatenate(logits))
"""


def read_counts(stderr: str) -> list[int]:
    """Return the instructions before each call of os.getppid(), if somebody counts them."""
    return [int(count) for count in re.findall(r"^ICOUNT (\d+)$", stderr, re.MULTILINE)]


@dataclass(frozen=True)
class Answered:
    """What a variant answered.

    Attributes:
        logits: float32 `[N, K]`.
        instructions_per_image: None where nobody counts them.
    """

    logits: Logits
    instructions_per_image: float | None


def answer_apart(
    python: Sequence[str], bundle: Path, variant: str, photos: Pixels
) -> Answered | None:
    """Let a variant answer photos.

    Args:
        python: Command that runs a script with Python, on whatever processor; where it prints
            "ICOUNT n" at each call of os.getppid(), n being the instructions since the last, they
            are counted. `tests/emulated/pi.py` does that.
        bundle: Its folder.
        variant: With one thread.
        photos: uint8 `[N, H, W, 3]`, RGB; `NUM_COUNTED` or more.

    Returns:
        None where that processor cannot compute it.

    Raises:
        ClickException: It failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        script, given, out = work / "child.py", work / "photos.npy", work / "out.npy"
        script.write_text(_CHILD)
        np.save(given, photos)
        done = subprocess.run(
            [*python, *map(str, (script, bundle, variant, given, out))],
            env=os.environ | {"PYTHONPATH": str(_PROJECT)},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise click.ClickException(f"{variant}: {done.stderr[-2000:]}")
        if not out.exists():
            return None
        counts = read_counts(done.stderr)
        return Answered(np.load(out), counts[1] / NUM_COUNTED if counts else None)
