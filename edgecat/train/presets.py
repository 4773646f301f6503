"""How much time a run may take: a recipe and a teacher that belong together, by name.

The defaults of `Recipe` are those of the first one. benchmarks/accuracy/recipe.py compares the
other with its control, labels alone, and asks of each key whether it pays.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

#: What the other preset is taught by, unless another one is asked for.
TEACHER = "tf_efficientnet_lite2"


@dataclasses.dataclass(frozen=True)
class Preset:
    """A recipe and whether a teacher belongs to it.

    Attributes:
        about: What it is for, in a few words.
        values: What differs from the defaults of `edgecat.train.recipe.Recipe`.
        teacher: One of timm's names, or None.
    """

    about: str
    values: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    teacher: str | None = None


#: What is taken unless another one is asked for.
FAST = "fast"

#: By name, the quickest first.
PRESETS = {
    FAST: Preset("labels alone, 10 epochs"),
    # Who has a teacher can learn from smaller crops, at a higher rate and for longer
    # ("patience", arXiv 2106.05237). Three times the epochs are not shown to gain anything,
    # so there is no preset for them: benchmarks/results/*/recipe.json.
    "good": Preset(
        "a teacher, 30 epochs",
        {
            "crop_scale_min": 0.25,
            "backbone_rate": 1e-3,
            "ema_decay": 0.99,
            "epochs": 30,
        },
        TEACHER,
    ),
}
