"""Optimum: its preset for processors with VNNI, static, on torch's plain export."""

from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.peers.libraries.onnxruntime import NUM_CALIBRATION, open_onnx
from benchmarks.peers.material import Material
from benchmarks.peers.peer import Peer


def _quantize(material: Material, made: Path, *, preset: str) -> None:
    from datasets import Dataset
    from optimum.onnxruntime import ORTQuantizer
    from optimum.onnxruntime.configuration import AutoCalibrationConfig, AutoQuantizationConfig

    photos = material.load_calibration()
    few = photos[:: -(-len(photos) // NUM_CALIBRATION)]
    inputs = [{"image": material.normalize(few[i : i + 1])[0]} for i in range(len(few))]
    dataset = Dataset.from_list(inputs).with_format("numpy")
    config = getattr(AutoQuantizationConfig, preset)(is_static=True)
    quantizer = ORTQuantizer(material.graph)
    ranges = quantizer.fit(
        dataset,
        AutoCalibrationConfig.minmax(dataset),
        onnx_augmented_model_name=made / "augmented.onnx",
        operators_to_quantize=config.operators_to_quantize,
    )
    quantizer.quantize(config, made, calibration_tensors_range=ranges)
    _keep_one(made)


def _keep_one(made: Path) -> None:
    (made / "augmented.onnx").unlink(missing_ok=True)
    (model,) = made.glob("*.onnx")
    model.rename(made / "model.onnx")


def _peer(preset: str) -> Peer:
    make: Any = partial(_quantize, preset=preset)
    return Peer(
        f"{preset}-static".replace("_", "-"),
        make,
        open_onnx,
        makes_in="optimum",
        runs_in="onnxruntime",
    )


ENTRY = (_peer("avx512_vnni"), _peer("arm64"))
