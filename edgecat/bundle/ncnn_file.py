"""Models as ncnn reads them: layers as text (.param), their numbers one after the other (.bin).

ncnn believes both files: with a wrong count it reads and writes beyond its memory. So it is given
only what edgecat itself would have written, of the few kinds of layers below, whose shapes fit each
other and whose numbers are all there.

Source: ncnn/docs/developer-guide, param-and-model-file-structure.md and operation-param-weight-
table.md.
"""

import dataclasses
import functools
import re
from collections import Counter
from collections.abc import Mapping, Sequence

from edgecat.bundle.ncnn_shapes import Shape, follow_shape

_MAGIC = "7767517"

#: A large MobileNetV3 has 17 kB of text and 190 layers; a stranger's file may be anything.
MAX_PARAM_BYTES, MAX_LAYERS = 2**20, 4096

_BLOB = re.compile("[a-z0-9]{1,32}")

#: The blobs that every model has, and the one that it may have.
IMAGE, LOGITS, FEATURES = "image", "logits", "features"

# As float32 reads them, 1/6 and 1/2: hard sigmoid is clip(x / 6 + 1 / 2, 0, 1), hard swish x times
# that.
_SIXTH, _HALF = "1.66666672e-01", "5.00000000e-01"

#: What a layer of weights may do with its results, and how that is written.
ACTIVATIONS = {"": "9=0", "ReLU": "9=1", "HardSwish": f"9=6 -23310=2,{_SIXTH},{_HALF}"}

# Kind of layer -> what follows its blobs. ncnn fills up what is square: heights are as widths.
_CONVOLUTION = "0={channels} 1={kernel} 3={stride} 4={padding} 5=1 6={weights}"
_SETTINGS = {
    "Input": "0={side} 1={side} 2={channels}",
    "Bias": "0={channels}",
    "Convolution": f"{_CONVOLUTION} {{activation}}",
    "ConvolutionDepthWise": f"{_CONVOLUTION} 7={{channels}} {{activation}}",
    "InnerProduct": "0={channels} 1=1 2={weights} {activation}",
    "Pooling": "0=1 4=1",  # the mean over height and width
    "BinaryOp": "0={operation}",
    "HardSigmoid": f"0={_SIXTH} 1={_HALF}",
    "HardSwish": f"0={_SIXTH} 1={_HALF}",
    "ReLU": "",
    "Split": "",
}
_NUMBER = "0|[1-9][0-9]{0,8}"


@dataclasses.dataclass(frozen=True)
class Layer:
    """A layer of a model.

    Attributes:
        kind: As ncnn calls it: "Convolution".
        inputs: The blobs that it reads.
        outputs: The blobs that it computes; its name is that of the first.
        numbers: Its settings by the names in `_SETTINGS`: "channels" are those that it computes,
            "operation" is 0 for a sum and 2 for a product.
        activation: One of `ACTIVATIONS`.
    """

    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    numbers: Mapping[str, int] = dataclasses.field(default_factory=dict)
    activation: str = ""

    @property
    def num_weights(self) -> int:
        """Return how many weights it has, 0 for most kinds."""
        return self.numbers.get("weights", 0)

    @property
    def num_biases(self) -> int:
        """Return how many biases it has."""
        has_biases = self.num_weights or self.kind == "Bias"
        return self.numbers["channels"] if has_biases else 0

    @property
    def num_bytes(self) -> int:
        """Return how many bytes of numbers it has: weights with a tag before them, then biases."""
        return 4 * (bool(self.num_weights) + self.num_weights + self.num_biases)


@dataclasses.dataclass(frozen=True)
class Interface:
    """What a model takes and gives.

    Attributes:
        side_px: Of the photos.
        has_features: Whether it tells what its last layer reads.
        map_blob: The blob whose mean over height and width its features are; "" where they are
            no such mean, or it has none.
    """

    side_px: int
    has_features: bool
    map_blob: str


def write_param(layers: Sequence[Layer]) -> bytes:
    """Return layers as text."""
    num_blobs = sum(len(layer.outputs) for layer in layers)
    lines = [_MAGIC, f"{len(layers)} {num_blobs}", *map(_write_layer, layers)]
    return "".join(f"{line}\n" for line in lines).encode("ascii")


def read_param(text: bytes) -> tuple[Layer, ...]:
    """Return the layers that `write_param` has written.

    Raises:
        ValueError: It has not written this.
    """
    if len(text) > MAX_PARAM_BYTES:
        raise ValueError(f"its text is longer than {MAX_PARAM_BYTES} bytes")
    lines = text.decode("ascii").split("\n")[2:-1]
    if len(lines) > MAX_LAYERS:
        raise ValueError(f"more than {MAX_LAYERS} layers")
    layers = tuple(map(_read_layer, lines))
    if write_param(layers) != text:
        raise ValueError("its text is not as edgecat writes it")
    return layers


def check_files(param: bytes, numbers: bytes) -> Interface:
    """Return what a model takes and gives, if ncnn may read it.

    Args:
        param: Its layers as text.
        numbers: Its weights and biases, float32, little-endian.

    Raises:
        ValueError: ncnn may not.
    """
    layers = read_param(param)
    shapes = _follow_shapes(layers)
    _check_ends(layers, shapes)
    _check_numbers(layers, numbers)
    return Interface(shapes[IMAGE].side, FEATURES in shapes, _find_map(layers))


def _find_map(layers: Sequence[Layer]) -> str:
    name = FEATURES
    for layer in reversed(layers):
        if name in layer.outputs and layer.kind in ("Split", "Pooling"):
            (name,) = layer.inputs
            if layer.kind == "Pooling":
                return name
    return ""


def _write_layer(layer: Layer) -> str:
    settings = _SETTINGS[layer.kind].format(
        **layer.numbers, activation=ACTIVATIONS[layer.activation]
    )
    words = (
        layer.kind, layer.outputs[0], str(len(layer.inputs)), str(len(layer.outputs)),
        *layer.inputs, *layer.outputs, settings,
    )  # fmt: skip
    return " ".join(words).rstrip()


def _read_layer(line: str) -> Layer:
    """Read a line; whether it is in the one right form is seen when it is written again.

    Raises:
        ValueError: It is not.
    """
    kind, _, *rest = line.split(" ")
    if kind not in _SETTINGS or len(rest) < 2:
        raise ValueError(f"line {line[:80]!r} is none of a layer that edgecat writes")
    num_inputs, num_outputs = (_read_count(word) for word in rest[:2])
    num_blobs = num_inputs + num_outputs
    blobs, settings = rest[2 : 2 + num_blobs], rest[2 + num_blobs :]
    if not num_outputs or len(blobs) < num_blobs or not all(map(_BLOB.fullmatch, blobs)):
        raise ValueError(f"line {line[:80]!r}: it computes nothing, or a blob has no good name")
    found = re.fullmatch(_pattern_of(kind), " ".join(settings))
    if found is None:
        raise ValueError(f"line {line[:80]!r}: settings that edgecat does not write")
    numbers = found.groupdict()
    written = {text: name for name, text in ACTIVATIONS.items()}
    activation = written[numbers.pop("activation", ACTIVATIONS[""])]
    counts = {name: int(number) for name, number in numbers.items()}
    return Layer(kind, tuple(blobs[:num_inputs]), tuple(blobs[num_inputs:]), counts, activation)


def _read_count(word: str) -> int:
    if not re.fullmatch("[0-9]{1,2}", word):
        raise ValueError(f"{word[:20]!r} is no number of blobs")
    return int(word)


@functools.cache
def _pattern_of(kind: str) -> str:
    """Return the expression that a kind's settings match, each number once or the same again."""
    known: set[str] = set()

    def replace(found: re.Match[str]) -> str:
        name = found[1]
        if name in known:
            return f"(?P={name})"
        known.add(name)
        texts = _NUMBER if name != "activation" else "|".join(map(re.escape, ACTIVATIONS.values()))
        return f"(?P<{name}>{texts})"

    return re.sub(r"\\{(\w+)\\}", replace, re.escape(_SETTINGS[kind]))


def _follow_shapes(layers: Sequence[Layer]) -> dict[str, Shape]:
    """Return the shape of every blob.

    Raises:
        ValueError: A layer that does not fit what it reads, or reads what is not there.
    """
    shapes: dict[str, Shape] = {}
    for number, layer in enumerate(layers):
        if (layer.kind == "Input") != (number == 0):
            raise ValueError("its first layer must be its one input")
        if not set(layer.inputs) <= shapes.keys():
            raise ValueError(f"{layer.outputs[0]}: reads what no layer before it computes")
        if shapes.keys() & set(layer.outputs) or len(set(layer.outputs)) != len(layer.outputs):
            raise ValueError(f"{layer.outputs[0]}: computes a blob that there is already")
        shape = follow_shape(
            layer.kind, layer.numbers, [shapes[name] for name in layer.inputs], len(layer.outputs)
        )
        shapes |= dict.fromkeys(layer.outputs, shape)
    return shapes


def _check_ends(layers: Sequence[Layer], shapes: Mapping[str, Shape]) -> None:
    """Check that each blob is read once, but for the answers, which are vectors.

    Raises:
        ValueError: One is not.
    """
    readers = Counter(name for layer in layers for name in layer.inputs)
    ends = {name for name in shapes if not readers[name]}
    if ends not in ({LOGITS}, {LOGITS, FEATURES}) or IMAGE not in shapes:
        raise ValueError(f"it takes or gives something else than {IMAGE}, {LOGITS} and {FEATURES}")
    if max(readers.values()) > 1:
        raise ValueError("two layers read the same blob")
    if any(shapes[name].side for name in ends):
        raise ValueError("it answers with more than a vector")


def _check_numbers(layers: Sequence[Layer], numbers: bytes) -> None:
    wanted = sum(layer.num_bytes for layer in layers)
    if len(numbers) != wanted:
        raise ValueError(f"its numbers are {len(numbers)} bytes, its layers ask for {wanted}")
    start = 0
    for layer in layers:
        # Another tag would say that the weights are packed, and have another size.
        if layer.num_weights and numbers[start : start + 4] != bytes(4):
            raise ValueError(f"{layer.outputs[0]}: its weights are no plain float32")
        start += layer.num_bytes
