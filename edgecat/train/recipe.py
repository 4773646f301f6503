"""How to fine-tune: a frozen recipe, from TOML and `--set key=value`. No torch here."""

import dataclasses
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgecat.errors import ConfigError, describe_reason
from edgecat.photos.input import InputSpec
from edgecat.strict import build
from edgecat.train.presets import FAST, PRESETS

#: Below, the stride-2 stages leave nothing of a photo; above the most, no InputSpec's photos are as
#: large.
MIN_CROP_PX, _MAX_CROP_PX = 32, 2048

# What is counted, and its least number.
_COUNTS = {
    "epochs": 1, "head_epochs": 0, "batch_size": 2, "batch_parts": 1, "num_views": 1,
}  # fmt: skip

# Longer than any run; what floats are made of must not overflow.
_MAX_COUNT = 10**9

# Above, all answers are alike.
_MAX_TEMPERATURE = 100


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Every number of a fine-tuning run that is a matter of choice.

    The defaults were chosen on the validation photos of 12 cat breeds, seed 0.

    Attributes:
        epochs: Passes over the training photos in which the whole network learns. None is left
            out: the rate falls to 0 over all of them.
        head_epochs: Passes over the frozen backbone's features in which the head alone learns.
        batch_size: Photos a step, 2 or more, for BatchNorm.
        batch_parts: In how many parts a step takes them, one after the other, so that memory holds
            less: gradients add up, but BatchNorm's statistics are those of a part.
        head_rate: AdamW's learning rate while the head learns alone.
        rate: AdamW's peak learning rate of the head while everything learns.
        backbone_rate: The same of the backbone; smaller, since it knows much already.
        weight_decay: AdamW's, on weights of two and more dimensions, while everything learns.
        warmup_ratio: Share of all steps in which the rate rises to its peak, 0-1; after it the
            rate falls along a cosine to 0.
        label_smoothing: Share of the target spread over all classes, 0-1.
        ema_decay: Of the moving average of the weights that is kept in the end, 0-1.
        crop_side_px: Side of the crops that training sees, 32 or more; 0 for that of the network's
            input. Smaller crops train faster and somewhat worse.
        crop_scale_min: Smallest share of a photo's area that a random crop keeps, 0-1.
        flip_ratio: Share of photos mirrored, 0-1.
        colour_jitter: Most that brightness, contrast and saturation change, 0-1.
        balance_ratio: How far unequal classes are evened out, 0-1: 0 sees each photo once an
            epoch, 1 sees each class equally often, 0.5 is between (square root). Without effect
            where the largest class has fewer than three times the photos of the smallest. 1 was
            best on real cats made unequal (benchmarks/results/*/unequal_classes.json).
        teacher_ratio: With a teacher, what its answers weigh in the loss, 0-1; the labels weigh the
            rest.
        temperature: Logits of teacher and student are divided by this before they are compared,
            above 0 (Hinton et al., "Distilling the Knowledge in a Neural Network", 2015).
        num_views: With a teacher, how many views of each photo it answers; later epochs see these
            again.
        sync_batch_norm: Where several ranks share a batch, whether BatchNorm takes the statistics
            of all of it, as one process would; false is faster, and good enough where each rank
            has 32 photos of a batch or more.
        val_ratio: Share of the photos to validate with, 0-1.
        test_ratio: Share of the photos to test with, 0-1.
    """

    epochs: int = 10
    head_epochs: int = 20
    batch_size: int = 32
    batch_parts: int = 1
    head_rate: float = 1e-3
    rate: float = 1e-3
    backbone_rate: float = 5e-4
    weight_decay: float = 0.02
    warmup_ratio: float = 0.1
    label_smoothing: float = 0.1
    ema_decay: float = 0.98
    crop_side_px: int = 0
    crop_scale_min: float = 0.35
    flip_ratio: float = 0.5
    colour_jitter: float = 0.2
    balance_ratio: float = 1.0
    teacher_ratio: float = 1.0
    temperature: float = 2.0
    num_views: int = 24
    sync_batch_norm: bool = True
    val_ratio: float = 0.15
    test_ratio: float = 0.15

    def __post_init__(self) -> None:
        """Check every number.

        Raises:
            ValueError: One that no run can use.
        """
        for name, least in _COUNTS.items():
            if not least <= getattr(self, name) <= _MAX_COUNT:
                raise ValueError(
                    f"{name} must be at least {least}, and at most {_MAX_COUNT}, got "
                    f"{getattr(self, name)}"
                )
        if self.crop_side_px and not MIN_CROP_PX <= self.crop_side_px <= _MAX_CROP_PX:
            raise ValueError(
                f"crop_side_px must be {MIN_CROP_PX} to {_MAX_CROP_PX}, or 0 for the network's "
                f"own, got {self.crop_side_px}"
            )
        for name in ("head_rate", "rate", "backbone_rate"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(f"{name} must be in (0, 1], got {getattr(self, name)}")
        for name in ("balance_ratio", "teacher_ratio"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be in [0, 1], got {getattr(self, name)}")
        if not 0 < self.temperature <= _MAX_TEMPERATURE:
            raise ValueError(
                f"temperature must be in (0, {_MAX_TEMPERATURE}], got {self.temperature}"
            )
        ratios = (
            "weight_decay warmup_ratio label_smoothing ema_decay crop_scale_min flip_ratio "
            "colour_jitter val_ratio test_ratio"
        )
        for name in ratios.split():
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be in [0, 1), got {getattr(self, name)}")
        if self.val_ratio + self.test_ratio > 0.8:
            raise ValueError("val_ratio and test_ratio leave too few photos to train with")

    def fit_to(self, spec: InputSpec) -> "Recipe":
        """Return the recipe for a network, with a number for every size.

        Args:
            spec: What the network takes.

        Raises:
            ConfigError: Crops are larger than the photos that they are cut from.
        """
        side_px = self.crop_side_px or spec.side_px
        if side_px > spec.shorter_side_px:
            raise ConfigError(
                f"recipe: crop_side_px {side_px} is more than the {spec.shorter_side_px} px that "
                "this network's photos are scaled to"
            )
        return dataclasses.replace(self, crop_side_px=side_px)


def load_recipe(
    file: Path | None = None,
    settings: Sequence[str] = (),
    *,
    preset: str = FAST,
    inherited: Recipe | None = None,
) -> Recipe:
    """Read a recipe.

    Args:
        file: TOML with any of the recipe's keys; without one, the preset's and the defaults.
        settings: "key=value" pairs that win over the file, later ones over earlier ones.
        preset: One of `edgecat.train.presets.PRESETS`, over which the file wins.
        inherited: A run's, in place of the preset and the defaults.

    Raises:
        ConfigError: No such file, not TOML, an unknown key (the nearest one is named), a value of
            another type or out of range.
    """
    start = dataclasses.asdict(inherited) if inherited else PRESETS[preset].values
    values = {**start, **_read_file(file), **dict(map(_parse, settings))}
    return build(Recipe, values, f"recipe {file}" if file else "recipe", ConfigError)


def describe_recipe(file: Path | None, settings: Sequence[str] = (), *, preset: str = FAST) -> str:
    """Return where a recipe's values are from, and which win, as a line of text.

    Args:
        file: As for `load_recipe`.
        settings: As for `load_recipe`.
        preset: As for `load_recipe`.

    Raises:
        ConfigError: As `load_recipe`.
    """
    in_file, on_line = _read_file(file), dict(map(_parse, settings))
    parts = [
        f"{key} = {value!r} (command line"
        + (f", wins over {in_file[key]!r} of {file})" if key in in_file else ")")
        for key, value in on_line.items()
    ]
    parts += [f"{k} = {value!r} ({file})" for k, value in in_file.items() if k not in on_line]
    parts += [
        f"{key} = {value!r} (preset {preset})"
        for key, value in PRESETS[preset].values.items()
        if key not in in_file | on_line
    ]
    return f"recipe: {', '.join([*parts, 'all else' if parts else 'all'])} by default"


def _read_file(file: Path | None) -> dict[str, Any]:
    """Return what a recipe's file sets.

    Raises:
        ConfigError: No such file, or not TOML.
    """
    if file is None:
        return {}
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = describe_reason(error)
        raise ConfigError(f"recipe {file}: cannot be read as TOML ({reason})") from error


def _parse(setting: str) -> tuple[str, Any]:
    """Return key and value of a setting.

    Raises:
        ConfigError: Not "key=value", or a value that is none of TOML's.
    """
    key, separator, value = setting.partition("=")
    if not separator:
        raise ConfigError(f"--set {setting}: expected key=value, such as --set epochs=20")
    try:
        return key.strip(), tomllib.loads(f"value = {value}")["value"]
    except ValueError as error:
        raise ConfigError(
            f"--set {setting}: {value!r} is not a number; accepted are such as 20, 0.5, 1e-3, true"
        ) from error
