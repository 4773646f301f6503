import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow  # imports torch in fresh processes

pytest.importorskip("torch", reason="needs torch (edgecat[train])")

SCRIPT = """
from edgecat.train.vision import import_torchvision
first, second = import_torchvision(), import_torchvision()
assert first is second
import torchvision
assert first is torchvision
torchvision.models.get_model("mobilenet_v3_small", weights=None, num_classes=3)
print(torchvision.__version__)
"""


def test_torchvision_imports_beside_whatever_torch_is_here_in_a_fresh_process():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert "nms" not in done.stderr
