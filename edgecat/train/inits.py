"""The four ways to start a network, by which of its layers are pretrained. No torch here."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Init:
    """Which layers start from pretrained weights; the others start from random numbers.

    Attributes:
        backbone: Whether all layers but the output layer do.
        output_layer: Whether the output layer does; its units are the classes, so there have to be
            as many as before.
    """

    backbone: bool
    output_layer: bool

    @property
    def is_pretrained(self) -> bool:
        """Return whether any layer is."""
        return self.backbone or self.output_layer


#: The init that reads no weights; as `--weights`, which is older than --init, it says the same.
SCRATCH = "scratch"

#: By name, as in `--init` and in runs.
INITS = {
    "transfer": Init(backbone=True, output_layer=False),
    SCRATCH: Init(backbone=False, output_layer=False),
    "full": Init(backbone=True, output_layer=True),
    "head-only": Init(backbone=False, output_layer=True),
}
