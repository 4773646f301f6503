"""What does a photo cost in OpenVINO before anything is computed of it?

python -m benchmarks.engines.openvino_input cats12

The float graph of a bundle in each precision that OpenVINO computes it in here, one thread, in
turns: as edgecat has it; with its photos moved in memory, as OpenVINO converts it by itself
(`edgecat.graph.pixels_last`); and given an array in place of a tensor, at which OpenVINO's Python
looks first. All must answer the same, bit for bit.
"""

import contextlib
from collections.abc import Sequence
from functools import partial
from typing import Any

import click
import numpy as np
import onnx

from benchmarks.answers import ANSWERS
from benchmarks.results import write_result
from edgecat.bench.clock import median_interval
from edgecat.bench.openings import NUM_OPENINGS, Openings, Timed, time_openings
from edgecat.bench.run import ONE_THREAD
from edgecat.bundle.manifest import Variant
from edgecat.bundle.store import load_bundle
from edgecat.graph.to_openvino import convert_openvino, export_openvino, serialize_openvino
from edgecat.photos.drawings import BREEDS, draw_cat
from edgecat.photos.pixels import Pixels, load_pixels
from edgecat.runtime.checked import CheckedEngine
from edgecat.runtime.engine import reference_name, runs_here
from edgecat.runtime.engines.openvino import OpenVinoEngine
from edgecat.scores.metrics import Logits

_PHOTOS = 40

_VARIANTS = ("openvino-fp32", "openvino-bf16")


class GivenArrays(OpenVinoEngine):
    """The engine as it was before: single photos are given as arrays."""

    def run(self, batch: Pixels) -> Logits:
        """Return float32 logits `[1, K]` for uint8 `[1, H, W, 3]`, RGB."""
        request = self._requests[1, False]
        request.infer([np.ascontiguousarray(batch)], share_inputs=True)
        return np.array(request.get_output_tensor(0).data, np.float32)


@click.command()
@click.argument("name")
def main(name: str) -> None:
    """Time the float graph of the bundle NAME in three ways."""
    bundle = load_bundle(name)
    graph = onnx.load_model_from_string(bundle.model_files(reference_name())[0])
    kept, moved = export_openvino(graph), serialize_openvino(convert_openvino(graph))
    photo = load_pixels(draw_cat(next(iter(BREEDS)), np.random.default_rng(0)), bundle.spec.input)
    rows = []
    for variant in (Variant(each, ("m.xml", "m.bin")) for each in _VARIANTS):
        if not runs_here(variant):
            continue
        ways = {
            "as it is": partial(open_way, OpenVinoEngine, variant, kept),
            "photos moved": partial(open_way, OpenVinoEngine, variant, moved),
            "given arrays": partial(open_way, GivenArrays, variant, kept),
        }
        check_same(ways, photo)
        times = time_openings(
            {way: Timed(opened, bundle.spec.input) for way, opened in ways.items()}, _PHOTOS
        )
        rows.append({"variant": variant.name, "ways": [describe(way, times) for way in ways]})
    result = {"bundle": name, "num_openings": NUM_OPENINGS, "num_photos": _PHOTOS, "rows": rows}
    click.echo(ANSWERS["openvino_input"](result))
    write_result("openvino_input", result)


def open_way(kind: type[OpenVinoEngine], variant: Variant, files: Sequence[bytes]) -> Any:
    """Open a model for a block."""
    return contextlib.closing(CheckedEngine(kind(variant, files, ONE_THREAD)))


def check_same(ways: dict[str, Any], photo: Pixels) -> None:
    """Refuse ways that do not answer a photo, uint8 `[H, W, 3]`, the same."""
    answers = []
    for opened in ways.values():
        with opened() as engine:
            answers.append(engine.run(photo[None]))
    if not all(np.array_equal(answers[0], other) for other in answers[1:]):
        raise click.ClickException("the ways do not answer the same")


def describe(way: str, times: Openings) -> dict[str, Any]:
    """Return how long a photo takes one way, and what that is by as it is, opening by opening."""
    ratios = times.list_ratios(way, "as it is")
    return {
        "way": way,
        "p50_ms": float(np.median(times.photos_ms[way])),
        "ratio": float(np.median(ratios)),
        "ratio_interval": median_interval(ratios),
    }


if __name__ == "__main__":
    main()
