"""ONNX Runtime: torch's plain export, and what its own static quantization makes of that."""

import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.material import Material
from benchmarks.peers.peer import Model, Peer

_FILE = "model.onnx"

# Its calibrators keep what they see of every photo in memory.
NUM_CALIBRATION = 100


class Calibration:
    """Photos as ONNX Runtime's calibrators ask for them, one by one."""

    def __init__(self, material: Material) -> None:
        """Begin with the first one."""
        photos = material.load_calibration()
        few = photos[:: -(-len(photos) // NUM_CALIBRATION)]
        self._inputs: Iterator[np.ndarray] = (
            material.normalize(few[i : i + 1]) for i in range(len(few))
        )

    def get_next(self) -> dict[str, np.ndarray] | None:
        """Return the next one; None after the last."""
        maps = next(self._inputs, None)
        return None if maps is None else {"image": maps}


def _copy(material: Material, made: Path) -> None:
    shutil.copy(material.graph, made / _FILE)


def _quantize(material: Material, made: Path, **options: Any) -> None:
    from onnxruntime.quantization import QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    types = {name: getattr(QuantType, options[name]) for name in options if name.endswith("_type")}
    prepared = made / "prepared.onnx"
    quant_pre_process(material.graph, prepared)
    quantize_static(prepared, made / _FILE, Calibration(material), **options | types)
    prepared.unlink()


def open_onnx(material: Material, made: Path, threads: int) -> Model:
    """Open a graph that takes "image", normalized; ONNX Runtime's defaults but for the threads."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        made / _FILE, options, providers=["CPUExecutionProvider"]
    )

    def run(maps: np.ndarray) -> np.ndarray:
        return session.run(None, {"image": maps})[0]

    return Model(material.normalize, run, "as in the graph")


def _peer(setting: str, **options: Any) -> Peer:
    make = partial(_quantize, **options)
    return Peer(setting, make, open_onnx, makes_in="onnxruntime-tools", runs_in="onnxruntime")


ENTRY = (
    Peer("default", _copy, open_onnx, makes_in="onnxruntime", runs_in="onnxruntime"),
    _peer("static-default"),  # S8S8, per tensor, QDQ
    _peer("static-u8s8", activation_type="QUInt8", weight_type="QInt8", per_channel=True),
)
