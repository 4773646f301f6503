"""cats12 with its weights for ncnn, too: what the emulated Raspberry Pis answer photos with."""

import dataclasses
from pathlib import Path

import onnx

from edgecat.bundle.manifest import FileRecord, Variant
from edgecat.bundle.store import load_bundle, write_manifest
from edgecat.export.verdict import count_ratios
from edgecat.graph.to_ncnn import export_ncnn

_FILES = ("ncnn-fp32.param", "ncnn-fp32.bin")


def make_bundle(folder: Path) -> Path:
    """Write cats12 with the variants `ncnn-fp32` and `ncnn-fp16`, and return its folder."""
    released = load_bundle("cats12")
    model = onnx.load_model_from_string(released.model_files("onnxruntime-fp32")[0])
    written = dict(zip(_FILES, export_ncnn(model), strict=True))
    folder.mkdir()
    for name, data in [*released.contents(), *written.items()]:
        (folder / name).write_bytes(data)
    threshold = released.spec.variants[0].ood_threshold
    added = [Variant(name, _FILES, ood_threshold=threshold) for name in ("ncnn-fp32", "ncnn-fp16")]
    variants = [
        dataclasses.replace(variant, instruction_ratios=count_ratios(variant))
        for variant in (*released.spec.variants, *added)
    ]
    records = {name: FileRecord.of(data) for name, data in written.items()}
    spec = dataclasses.replace(
        released.spec,
        variants=tuple(variants),
        files=released.spec.files | records,
    )
    write_manifest(folder, spec)
    return folder
