"""The good, signed bundle that fuzzers damage: small, but with the nodes of a real model."""

import functools
import random
import tempfile
from pathlib import Path

import numpy as np

from edgecat.bundle.archive import pack_bundle
from edgecat.bundle.manifest import FileRecord, ModelSpec, Variant
from edgecat.bundle.ncnn_file import ACTIVATIONS, Layer
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


def build_layers(rng: random.Random) -> tuple[list[Layer], bytes]:
    """Return a model for ncnn with a layer of each kind, of random shapes, and its numbers."""
    channels, labels = rng.choice((1, 3, 4, 7, 8, 16, 33)), len(load_bundle("cats12").spec.labels)
    kernel, deep_kernel = rng.choice((1, 2, 3, 5, 11)), rng.choice((1, 3, 5))
    sizes = {"stride": rng.choice((1, 2, 3, 8)), "padding": rng.randrange(kernel)}
    dense = {"channels": labels, "weights": channels * labels}
    layers = [
        Layer("Input", (), ("image",), {"side": 224, "channels": 3}),
        Layer("Bias", ("image",), ("0",), {"channels": 3}),
        Layer(
            "Convolution", ("0",), ("1",),
            {"channels": channels, "kernel": kernel, "weights": 3 * channels * kernel**2} | sizes,
            rng.choice(list(ACTIVATIONS)),
        ),
        Layer(
            "ConvolutionDepthWise", ("1",), ("2",),
            {
                "channels": channels, "kernel": deep_kernel, "stride": rng.choice((1, 2, 5)),
                "padding": rng.randrange(deep_kernel), "weights": channels * deep_kernel**2,
            },
            rng.choice(list(ACTIVATIONS)),
        ),
        Layer("Split", ("2",), ("3", "4", "5")),
        Layer("Pooling", ("3",), ("6",)),
        Layer("InnerProduct", ("6",), ("7",), {"channels": channels, "weights": channels**2}),
        Layer(rng.choice(("HardSigmoid", "HardSwish", "ReLU")), ("7",), ("8",)),
        Layer("BinaryOp", ("4", "8"), ("9",), {"operation": rng.choice((0, 2))}),
        Layer("BinaryOp", ("9", "5"), ("10",), {"operation": rng.choice((0, 2))}),
        Layer("Pooling", ("10",), ("11",)),
        Layer("InnerProduct", ("11",), ("logits",), dense),
    ]  # fmt: skip
    values = np.random.default_rng(rng.randrange(2**32))
    parts = [
        bytes(4) * bool(layer.num_weights)
        + (values.normal(size=layer.num_weights + layer.num_biases) / 99).astype("<f4").tobytes()
        for layer in layers
    ]
    return layers, b"".join(parts)
