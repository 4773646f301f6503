"""What a model takes: the facts of the one preprocessing, as they stand in a bundle."""

import dataclasses

#: How a photo may be scaled, by the names that Pillow has for it too; all are antialiased.
INTERPOLATIONS = ("bilinear", "bicubic", "lanczos", "box")

# A bundle may be a stranger's: pixels of one photo stay below 25 MB, whatever it says.
_SIDES_PX = (32, 1024)
_MAX_SHORTER_SIDE_PX = 2048

# The arithmetic in the graph stays within float32: 1/255, for values of 0-255, is the least usual.
_STD_RATIOS = (1e-3, 10.0)


@dataclasses.dataclass(frozen=True)
class InputSpec:
    """The pixels that every model file of a bundle takes: uint8 `[N, side, side, 3]`, RGB, 0-255.

    `edgecat.photos.pixels` makes them; mean and standard deviation are inside of the graph.

    Attributes:
        side_px: Height and width of the input, 32 to 1024.
        shorter_side_px: What the photo's shorter side is scaled to before the crop.
        mean_ratio: Per channel R, G, B, of values scaled to 0-1; subtracted inside the graph.
        std_ratio: Per channel R, G, B; divided by inside the graph.
        interpolation: One of `INTERPOLATIONS`.
        crop: Which part of the scaled photo is taken.
    """

    side_px: int
    shorter_side_px: int
    mean_ratio: tuple[float, ...]
    std_ratio: tuple[float, ...]
    interpolation: str = "bilinear"
    crop: str = "central"
    layout: str = "NHWC"
    dtype: str = "uint8"
    colour: str = "RGB"

    def __post_init__(self) -> None:
        """Check every value.

        Raises:
            ValueError: One that no photo is made into.
        """
        low_px, high_px = _SIDES_PX
        if not low_px <= self.side_px <= high_px:
            raise ValueError(f"input side_px {self.side_px} is not in [{low_px}, {high_px}]")
        if not self.side_px <= self.shorter_side_px <= _MAX_SHORTER_SIDE_PX:
            raise ValueError(
                f"input shorter_side_px {self.shorter_side_px} is not in "
                f"[{self.side_px} (side_px), {_MAX_SHORTER_SIDE_PX}]"
            )
        self._check_numbers("mean_ratio", 0.0, 1.0)
        self._check_numbers("std_ratio", *_STD_RATIOS)
        self._check_word("interpolation", *INTERPOLATIONS)
        self._check_word("crop", "central")
        self._check_word("layout", "NHWC")
        self._check_word("dtype", "uint8")
        self._check_word("colour", "RGB")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Return height, width and channels of one photo."""
        return self.side_px, self.side_px, 3

    def describe(self) -> str:
        """Return how a photo is made into it, as words."""
        return (
            f"the {self.crop} {self.side_px} px of photos whose shorter side is "
            f"{self.shorter_side_px} px, {self.interpolation}"
        )

    def _check_numbers(self, name: str, low: float, high: float) -> None:
        values = getattr(self, name)
        if len(values) != 3 or not all(low <= value <= high for value in values):  # nor NaN
            raise ValueError(f"input {name} {list(values)} is not three in [{low:g}, {high:g}]")

    def _check_word(self, name: str, *accepted: str) -> None:
        if getattr(self, name) not in accepted:
            raise ValueError(
                f"input {name} {getattr(self, name)!r}: accepted are {', '.join(accepted)}"
            )


#: What networks take that were pretrained on ImageNet in the usual way.
#: Source: torchvision's `ImageClassification` preset, as its MobileNetV3 weights have it, but for
#: the shorter side, which is 256 px there. Training's random crops show things larger than a whole
#: photo does, so a photo is shown somewhat larger, too (Touvron et al., "Fixing the train-test
#: resolution discrepancy", 2019). What that gains: benchmarks/results/*/shorter_sides*.json. Beyond
#: 270 a JPEG of 1080 px could no longer be decoded at half its size (`open_photo`).
IMAGENET = InputSpec(
    side_px=224,
    shorter_side_px=264,
    mean_ratio=(0.485, 0.456, 0.406),
    std_ratio=(0.229, 0.224, 0.225),
)

#: What the first runs and bundles took, which do not say it.
FIRST = dataclasses.replace(IMAGENET, shorter_side_px=256)
