"""LiteRT: converted by litert-torch, quantized by ai-edge-quantizer."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.libraries.torch import build_network
from benchmarks.peers.material import Material
from benchmarks.peers.peer import Model, Peer

_FILE = "model.tflite"


def _convert(material: Material, made: Path) -> None:
    import litert_torch
    import torch

    side_px = material.facts["side_px"]
    example = (torch.zeros(1, 3, side_px, side_px),)
    litert_torch.convert(build_network(material), example).export(str(made / _FILE))


def _quantize(material: Material, made: Path, *, recipe: str) -> None:
    from ai_edge_quantizer import quantizer
    from ai_edge_quantizer import recipe as recipes

    _convert(material, made)
    job = quantizer.Quantizer(str(made / _FILE), getattr(recipes, recipe)())
    ranges = job.calibrate(_list_photos(material)) if job.need_calibration else None
    job.quantize(ranges).export_model(str(made / _FILE), overwrite=True)


def _list_photos(material: Material) -> dict[str, list[dict[str, np.ndarray]]]:
    photos = material.load_calibration()
    inputs = [{"args_0": material.normalize(photos[i : i + 1])} for i in range(len(photos))]
    return {"serving_default": inputs}


def _open(material: Material, made: Path, threads: int) -> Model:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(made / _FILE), num_threads=threads)
    interpreter.allocate_tensors()
    (taken,), (given,) = interpreter.get_input_details(), interpreter.get_output_details()

    def run(maps: np.ndarray) -> np.ndarray:
        interpreter.set_tensor(taken["index"], maps)
        interpreter.invoke()
        return interpreter.get_tensor(given["index"])

    return Model(material.normalize, run, "as in the graph")


def _peer(setting: str, make: Callable[..., Any], **options: Any) -> Peer:
    made = partial(make, **options)
    return Peer(setting, made, _open, makes_in="litert-torch", runs_in="litert")


ENTRY = (
    _peer("fp32", _convert),
    _peer("int8", _quantize, recipe="static_wi8_ai8"),
    _peer("int8-weights", _quantize, recipe="dynamic_wi8_afp32"),
)
