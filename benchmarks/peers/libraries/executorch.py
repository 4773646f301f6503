"""ExecuTorch with XNNPACK, in float32 and quantized as its documentation shows."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.libraries.torch import build_network
from benchmarks.peers.material import Material
from benchmarks.peers.peer import Model, Peer

_FILE = "model.pte"


def _make(material: Material, made: Path, *, is_quantized: bool) -> None:
    import torch
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    side_px = material.facts["side_px"]
    example, network = (torch.zeros(1, 3, side_px, side_px),), build_network(material)
    if is_quantized:
        network = _quantize(network, example, material)
    lowered = to_edge_transform_and_lower(
        torch.export.export(network, example), partitioner=[XnnpackPartitioner()]
    )
    (made / _FILE).write_bytes(lowered.to_executorch().buffer)


def _quantize(network: Any, example: tuple[Any, ...], material: Material) -> Any:
    import torch
    from executorch.backends.xnnpack.quantizer import xnnpack_quantizer
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    quantizer = xnnpack_quantizer.XNNPACKQuantizer()
    quantizer.set_global(xnnpack_quantizer.get_symmetric_quantization_config(is_per_channel=True))
    prepared = prepare_pt2e(torch.export.export(network, example).module(), quantizer)
    photos = material.load_calibration()
    for i in range(len(photos)):
        prepared(torch.from_numpy(material.normalize(photos[i : i + 1])))
    return convert_pt2e(prepared)


def _open(material: Material, made: Path, threads: int) -> Model:
    import torch
    from executorch.extension.pybindings import portable_lib
    from executorch.runtime import Runtime

    portable_lib._unsafe_reset_threadpool(threads)
    method = Runtime.get().load_program(made / _FILE).load_method("forward")

    def prepare(photo: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(material.normalize(photo))

    def run(maps: torch.Tensor) -> np.ndarray:
        return method.execute([maps])[0].numpy()

    return Model(prepare, run, "as in the graph")


def _peer(setting: str, *, is_quantized: bool) -> Peer:
    make = partial(_make, is_quantized=is_quantized)
    return Peer(setting, make, _open, makes_in="executorch", runs_in="executorch")


ENTRY = (
    _peer("xnnpack-fp32", is_quantized=False),
    _peer("xnnpack-int8", is_quantized=True),
)
