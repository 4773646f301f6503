"""Take out of the biases what rounding adds to each layer's mean output.

Rounded weights and clipped activations shift each channel's mean, and the shifts add up from layer
to layer. So photos go through the student once, and in each layer that no activation reads, behind
those already mended, the bias takes up the difference to the float graph's mean.
Source: Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction",
ICCV 2019, section 4.2.
"""

import onnx
import torch
from torch import Tensor

from edgecat.photos.pixels import Pixels
from edgecat.photos.spread import spread
from edgecat.quantize.student import Student

#: Photos to mend with: their maps are all in memory.
NUM_IMAGES = 64


@torch.no_grad()
def mend_biases(student: Student, images: Pixels) -> None:
    """Give a student's layers the mean outputs of the float graph.

    Args:
        student: Changed.
        images: uint8 `[N, H, W, 3]`, RGB: `NUM_IMAGES` of them, evenly spread, are used.
    """
    photos = torch.from_numpy(images[spread(len(images), NUM_IMAGES)])
    activated = student.activated_tensors()
    means: dict[str, Tensor] = {}

    def remember(node: onnx.NodeProto, maps: Tensor) -> Tensor:
        means[node.name] = _channel_means(maps)
        return maps

    def mend(node: onnx.NodeProto, maps: Tensor) -> Tensor:
        if node.name not in student.biases or node.output[0] in activated:
            return maps
        shift = _channel_means(maps) - means[node.name]
        student.shift_bias(node.name, -shift)
        return maps - shift.reshape(1, -1, *[1] * (maps.ndim - 2))

    student(photos, rounds=False, on_layer=remember)
    student(photos, on_layer=mend)


def _channel_means(maps: Tensor) -> Tensor:
    return maps.mean(dim=[axis for axis in range(maps.ndim) if axis != 1])
