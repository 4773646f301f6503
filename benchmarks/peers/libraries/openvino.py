"""OpenVINO as it comes, told to stay in float32, and quantized by NNCF."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.material import Material
from benchmarks.peers.peer import Model, Peer

_FILE = "model.xml"


def _convert(material: Material, made: Path) -> None:
    import openvino

    openvino.save_model(openvino.convert_model(material.graph), made / _FILE)


def _quantize(material: Material, made: Path, **options: Any) -> None:
    import nncf
    import openvino

    photos = material.load_calibration()
    dataset = nncf.Dataset([photos[i : i + 1] for i in range(len(photos))], material.normalize)
    presets = {name: nncf.QuantizationPreset(value) for name, value in options.items()}
    model = nncf.quantize(openvino.convert_model(material.graph), dataset, **presets)
    openvino.save_model(model, made / _FILE)


def _open(material: Material, made: Path, threads: int, **properties: str) -> Model:
    import openvino

    model = openvino.Core().compile_model(
        made / _FILE, "CPU", {"INFERENCE_NUM_THREADS": threads} | properties
    )
    request = model.create_infer_request()

    def run(maps: np.ndarray) -> np.ndarray:
        return request.infer([maps], share_inputs=True)[0]

    return Model(material.normalize, run, str(model.get_property("INFERENCE_PRECISION_HINT")))


def _peer(setting: str, *, is_quantized: bool = False, **options: str) -> Peer:
    make = partial(_quantize, **options) if is_quantized else _convert
    makes_in = "nncf" if is_quantized else "openvino"
    return Peer(setting, make, _open, makes_in=makes_in, runs_in="openvino")


_F32 = partial(_open, INFERENCE_PRECISION_HINT="f32")

ENTRY = (
    _peer("default"),
    Peer("f32", _convert, _F32, makes_in="openvino", runs_in="openvino"),
    _peer("nncf-default", is_quantized=True),
    _peer("nncf-mixed", is_quantized=True, preset="mixed"),
)
