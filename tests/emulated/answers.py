"""The same photos answered on emulated Pis and on this machine, and what that costs a Pi.

python tests/emulated/answers.py

measures again the baseline, instructions.json, which the tests compare with: after a change that is
worth more instructions, or saves some.
"""

import dataclasses
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from answer_photos import NUM_COUNTED
from arm64 import PROJECT
from pi import Pi, open_pi, open_site
from processors import PROCESSORS

from benchmarks.engines.ncnn_bundle import make_bundle
from edgecat.photos.drawings import BREEDS, JPEG_QUALITY, draw_cat
from edgecat.photos.pixels import Pixels
from edgecat.scores.metrics import Logits

BASELINE = Path(__file__).with_name("instructions.json")

_SCRIPT = str(Path(__file__).with_name("answer_photos.py"))
_PHOTO_SIDE_PX = 480  # as large as the photos of Oxford-IIIT Pet


@dataclasses.dataclass(frozen=True)
class Answers:
    """What one machine says of some photos.

    Attributes:
        pixels: uint8 `[N, 224, 224, 3]`, RGB.
        logits: Float32 `[N, K]` by variant.
        instructions: A photo's, by stage: "pixels" and each variant; {} on this machine.
    """

    pixels: Pixels
    logits: dict[str, Logits]
    instructions: dict[str, int]


def draw_photos(folder: Path, num_photos: int = NUM_COUNTED) -> list[Path]:
    """Draw cats, always the same: those that instructions are counted of."""
    paths = []
    for number in range(num_photos):
        breed = list(BREEDS)[number % len(BREEDS)]
        paths.append(folder / f"{number}.jpg")
        drawing = draw_cat(breed, np.random.default_rng(number), _PHOTO_SIDE_PX)
        drawing.save(paths[-1], quality=JPEG_QUALITY)
    return paths


def answer_on_pi(pi: Pi, packages: Sequence[Path], photos: Sequence[Path], work: Path) -> Answers:
    """Answer on an emulated Pi.

    Args:
        pi: Where.
        packages: Folders to import edgecat and what it needs from.
        photos: Those of `draw_photos` first.
        work: An empty folder.
    """
    arguments, out = _prepare(photos, work)
    done = pi.run(arguments, packages)
    assert done.returncode == 0, done.stderr
    saved = np.load(out)
    counts = [int(count) for count in re.findall(r"^ICOUNT (\d+)$", done.stderr, re.MULTILINE)]
    assert len(counts) == 2 * len(saved), done.stderr
    # Every second stretch is one that is counted; those between them get ready for it.
    per_photo = [round(count / NUM_COUNTED) for count in counts[1::2]]
    return _load(out, dict(zip(saved, per_photo, strict=True)))


def answer_here(photos: Sequence[Path], work: Path) -> Answers:
    """Answer on this machine.

    Args:
        photos: Those of `draw_photos` first.
        work: An empty folder.
    """
    arguments, out = _prepare(photos, work)
    subprocess.run([sys.executable, *arguments], check=True, timeout=600)
    return _load(out, {})


def _prepare(photos: Sequence[Path], work: Path) -> tuple[list[str], Path]:
    """Return Python's arguments, and where the answers will be."""
    bundle, out = make_bundle(work / "bundle"), work / "answers.npz"
    return [_SCRIPT, str(bundle), str(out), *map(str, photos)], out


def _load(out: Path, instructions: dict[str, int]) -> Answers:
    logits = dict(np.load(out))
    return Answers(logits.pop("pixels"), logits, instructions)


def main() -> None:
    """Measure the baseline."""
    with tempfile.TemporaryDirectory() as folder:
        photos = draw_photos(Path(folder))
        baseline = {}
        for name in PROCESSORS:
            work = Path(folder) / name
            work.mkdir()
            answers = answer_on_pi(open_pi(name), [PROJECT, open_site()], photos, work)
            baseline[name] = answers.instructions
            print(name, answers.instructions)
    BASELINE.write_text(json.dumps(baseline, indent=1) + "\n")


if __name__ == "__main__":
    main()
