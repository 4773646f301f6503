"""What every model takes: the facts of the one preprocessing, as they stand in a bundle."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class InputSpec:
    """The pixels that every model file of a bundle takes: uint8 `[N, 224, 224, 3]`, RGB, 0-255.

    Source: torchvision's `ImageClassification` preset of the MobileNetV3 weights (shorter side to
    256, central 224 x 224, ImageNet mean and standard deviation); its interpolation is bilinear.

    Attributes:
        side_px: Height and width of the input.
        shorter_side_px: What the photo's shorter side is scaled to before the central crop.
        mean_ratio: Per channel R, G, B, of values scaled to 0-1; subtracted inside the graph.
        std_ratio: Per channel R, G, B; divided by inside the graph.
    """

    side_px: int = 224
    shorter_side_px: int = 256
    layout: str = "NHWC"
    dtype: str = "uint8"
    colour: str = "RGB"
    interpolation: str = "bilinear"
    mean_ratio: tuple[float, ...] = (0.485, 0.456, 0.406)
    std_ratio: tuple[float, ...] = (0.229, 0.224, 0.225)


#: The one preprocessing of this version: `edgecat.photos.pixels` makes it, every graph expects it.
INPUT = InputSpec()
