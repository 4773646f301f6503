"""Olive: its static quantization, as it comes, on torch's plain export."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.peers.libraries.onnxruntime import Calibration, open_onnx
from benchmarks.peers.material import Material
from benchmarks.peers.peer import Peer

_INPUT = "image"


def _quantize(material: Material, made: Path) -> None:
    import olive

    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        _write_photos(material, work / "photos" / _INPUT)
        olive.run(_describe(material, work))
        (model,) = (work / "out").rglob("*.onnx")
        shutil.move(model, made / "model.onnx")


def _write_photos(material: Material, folder: Path) -> None:
    """Write each photo's float32 as bytes: what Olive calls raw data."""
    folder.mkdir(parents=True)
    for number, inputs in enumerate(iter(Calibration(material).get_next, None)):
        (folder / f"{number:04}.bin").write_bytes(inputs[_INPUT].tobytes())


def _describe(material: Material, work: Path) -> dict[str, Any]:
    side_px = material.facts["side_px"]
    photos = {
        "data_dir": str(work / "photos"),
        "input_names": [_INPUT],
        "input_shapes": [[1, 3, side_px, side_px]],
    }
    return {
        "input_model": {"type": "OnnxModel", "model_path": str(material.graph)},
        "data_configs": [
            {
                "name": "photos",
                "type": "RawDataContainer",
                "load_dataset_config": {"type": "raw_dataset", "params": photos},
            }
        ],
        "passes": {"quantization": {"type": "OnnxStaticQuantization", "data_config": "photos"}},
        "evaluate_input_model": False,
        "output_dir": str(work / "out"),
        "cache_dir": str(work / "cache"),
    }


ENTRY = (Peer("static", _quantize, open_onnx, makes_in="olive", runs_in="onnxruntime"),)
