"""OpenVINO as it comes, told to stay in float32, and quantized by NNCF."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.material import Material
from benchmarks.peers.peer import Model, Peer

_FILE = "model.xml"


def _convert(material: Material, made: Path, **options: bool) -> None:
    import openvino

    openvino.save_model(openvino.convert_model(material.graph), made / _FILE, **options)


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
        return request.infer([maps], share_inputs=True, share_outputs=True)[0]

    return Model(material.normalize, run, str(model.get_property("INFERENCE_PRECISION_HINT")))


def _peer(setting: str, makes_in: str, make: Any = _convert, **properties: str) -> Peer:
    return Peer(setting, make, partial(_open, **properties), makes_in, runs_in="openvino")


# What it writes by itself has weights in fp16.
_EXACT = partial(_convert, compress_to_fp16=False)

ENTRY = (
    _peer("default", "openvino"),
    _peer("f32", "openvino", _EXACT, INFERENCE_PRECISION_HINT="f32"),
    _peer("nncf-default", "nncf", _quantize),
    _peer("nncf-mixed", "nncf", partial(_quantize, preset="mixed")),
)
