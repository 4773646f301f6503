"""The good, signed bundle that fuzzers damage: small, but with the nodes of a real model."""

import functools
import tempfile
from pathlib import Path

import numpy as np

from edgecat.bundle.archive import pack_bundle
from edgecat.bundle.manifest import FileRecord, ModelSpec, Variant
from edgecat.bundle.release import Release
from edgecat.bundle.signature import make_key, sign
from edgecat.bundle.store import MANIFEST, SIGNATURE, load_bundle, write_manifest

MODEL = "model.onnx"
_EXTRA = "photos.json"

_SEED = 20_26

# Not the time of signing: each run damages the same bytes.
_RELEASE = Release(1, "2026-11-28T00:00:00Z")


@functools.cache
def make_good() -> tuple[Path, Path, Path]:
    """Return a signed bundle, its zip file and its owner's public key; one set a process."""
    folder = Path(tempfile.mkdtemp(prefix="edgecat-fuzz-"))
    bundle = folder / "good"
    bundle.mkdir()
    released = load_bundle("cats12").spec
    (bundle / MODEL).write_bytes(build_model(len(released.labels)))
    (bundle / _EXTRA).write_bytes(b"{}\n")
    scored = released.variants[0]
    spec = ModelSpec(
        released.name,
        released.arch,
        released.labels,
        (Variant(scored.name, (MODEL,), scored.score, scored.verdict),),
        {file: FileRecord.of((bundle / file).read_bytes()) for file in (MODEL, _EXTRA)},
        provenance=released.provenance,
        release=_RELEASE,
    )
    write_manifest(bundle, spec)
    public = make_key(folder / "owner.pem")
    (bundle / SIGNATURE).write_bytes(sign((bundle / MANIFEST).read_bytes(), folder / "owner.pem"))
    pack_bundle(bundle, folder / "good.zip")
    return bundle, folder / "good.zip", public


def build_model(num_labels: int) -> bytes:
    """Return a small ONNX model with the nodes of a real one: 6 kB, so that changes hit them."""
    import onnx
    from onnx import helper, numpy_helper

    rng = np.random.default_rng(_SEED)
    weights = {
        "kernel": rng.normal(size=(4, 3, 3, 3)).astype(np.float32) / 255,
        "scale": np.array(0.1, np.float32),
        "zero": np.array(3, np.uint8),
        "depthwise": rng.normal(size=(4, 1, 3, 3)).astype(np.float32),
        "dense": rng.normal(size=(num_labels, 4)).astype(np.float32),
        "bias": rng.normal(size=num_labels).astype(np.float32),
    }
    node = helper.make_node
    graph = helper.make_graph(
        [
            node("Cast", ["pixels"], ["floats"], to=1),
            node("Transpose", ["floats"], ["planes"], perm=[0, 3, 1, 2]),
            node("Conv", ["planes", "kernel"], ["stem"], strides=[8, 8]),
            node("HardSwish", ["stem"], ["swish"]),
            node("QuantizeLinear", ["swish", "scale", "zero"], ["steps"]),
            node("DequantizeLinear", ["steps", "scale", "zero"], ["back"]),
            node("Conv", ["back", "depthwise"], ["deep"], group=4),
            node("GlobalAveragePool", ["deep"], ["mean"]),
            node("Flatten", ["mean"], ["flat"]),
            node("Gemm", ["flat", "dense", "bias"], ["logits"], transB=1),
        ],
        "small",
        [helper.make_tensor_value_info("pixels", onnx.TensorProto.UINT8, ["N", 224, 224, 3])],
        [helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, ["N", num_labels])],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    return model.SerializeToString()
