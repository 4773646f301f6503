"""torchvision, also beside a torch without CUDA.

The package index's torchvision is a CUDA build. Beside a CPU-only torch its compiled operators do
not load, and `import torchvision` dies with "operator torchvision::nms does not exist". The
networks and weights need none of these operators, only their names; so the names are declared.
"""

import importlib
import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

# Whoever drops a torch library undoes its definitions, so it is kept here.
_declared: list[Any] = []


def import_torchvision() -> ModuleType:
    """Import torchvision, declaring the operators it asks for where its own do not load.

    Returns:
        The module.
    """
    package = importlib.util.find_spec("torchvision")
    if package is not None and package.origin and not _declared:
        compiled = sorted(Path(package.origin).parent.glob("_C*.so"))
        try:
            torch.ops.load_library(str(compiled[0]))  # type: ignore[no-untyped-call]
        except (IndexError, OSError):
            library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
            for name in ("nms", "qnms"):
                schema = f"{name}(Tensor dets, Tensor scores, float threshold) -> Tensor"
                library.define(schema)  # type: ignore[no-untyped-call]
            _declared.append(library)
    return importlib.import_module("torchvision")
