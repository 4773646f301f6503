"""ncnn, its model converted by its own pnnx, with the numbers that it can compute in."""

import shutil
import subprocess
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.peers.material import Material
from benchmarks.peers.peer import Model, Peer, UnavailableError

_PARAM, _BIN = "model.ncnn.param", "model.ncnn.bin"

# Each with the options of `ncnn.Net.opt` that it takes; all others of these are off.
_OPTIONS = {
    "fp32": (),
    "bf16": ("use_bf16_storage",),
    "fp16": ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic"),
}
_ALL = tuple(option for options in _OPTIONS.values() for option in options)

# ncnn's own programs for int8: they come with its source, not with its wheel.
_INT8_PROGRAMS = ("ncnn2table", "ncnn2int8")


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
    missing = [program for program in _INT8_PROGRAMS if shutil.which(program) is None]
    raise UnavailableError(f"{', '.join(missing)}: not in ncnn's wheel, only in its source")


def _open(material: Material, made: Path, threads: int, *, number: str) -> Model:
    import ncnn

    net = ncnn.Net()
    net.opt.num_threads = threads
    for option in _ALL:
        setattr(net.opt, option, option in _OPTIONS[number])
    if net.load_param(str(made / _PARAM)) or net.load_model(str(made / _BIN)):
        raise UnavailableError("ncnn does not read the model")

    def prepare(photo: np.ndarray) -> ncnn.Mat:
        return ncnn.Mat(material.normalize(photo)[0]).clone()

    def run(mat: ncnn.Mat) -> np.ndarray:
        extractor = net.create_extractor()
        extractor.input("in0", mat)
        return np.array(extractor.extract("out0")[1])

    return Model(prepare, run, number)


ENTRY = tuple(
    Peer(number, _convert, partial(_open, number=number), makes_in="pnnx", runs_in="ncnn")
    for number in _OPTIONS
)
