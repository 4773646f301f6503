"""ncnn, its model converted by its own pnnx, with the numbers that it can compute in."""

import shutil
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.peers.material import Material
from benchmarks.peers.peer import Model, Peer, UnavailableError

_PARAM, _BIN = "model.ncnn.param", "model.ncnn.bin"

# Each with the options of `ncnn.Net.opt` that it takes; all others of these are off. "fp16" is what
# ncnn does when nobody asks for anything.
_OPTIONS = {
    "fp32": (),
    "bf16": ("use_bf16_storage",),
    "fp16": ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic"),
}
_ALL = tuple(option for options in _OPTIONS.values() for option in options)


def _convert(material: Material, made: Path) -> None:
    import pnnx

    side_px = material.facts["side_px"]
    graph = shutil.copy(material.graph, made / "model.onnx")
    shape = f"inputshape=[1,3,{side_px},{side_px}]f32"
    subprocess.run([pnnx.EXEC_PATH, graph, shape, "fp16=0"], cwd=made, check=True)
    for file in made.iterdir():
        if file.name not in (_PARAM, _BIN):
            file.unlink()


def _refuse(material: Material, made: Path) -> None:
    raise UnavailableError(
        "ncnn's programs for int8, ncnn2table and ncnn2int8, are in no package of the index, only "
        "in its source"
    )


def _open(material: Material, made: Path, threads: int, *, number: str) -> Model:
    import ncnn

    net = ncnn.Net()
    net.opt.num_threads = threads
    for option in _ALL:
        setattr(net.opt, option, option in _OPTIONS[number])
    if net.load_param(str(made / _PARAM)) or net.load_model(str(made / _BIN)):
        raise UnavailableError("ncnn does not read the model")

    def prepare(photo: np.ndarray) -> tuple[ncnn.Mat, np.ndarray]:
        maps = material.normalize(photo)[0]
        return ncnn.Mat(maps), maps  # it has no memory of its own

    def run(inputs: tuple[ncnn.Mat, np.ndarray]) -> np.ndarray:
        extractor = net.create_extractor()
        extractor.input("in0", inputs[0])
        return np.array(extractor.extract("out0")[1])

    return Model(prepare, run, number)


def _peer(number: str, make: Callable[[Material, Path], None] = _convert) -> Peer:
    return Peer(number, make, partial(_open, number=number), makes_in="pnnx", runs_in="ncnn")


ENTRY = (*(_peer(number) for number in _OPTIONS), _peer("int8", _refuse))
