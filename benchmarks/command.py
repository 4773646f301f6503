"""The command `edgecat` of this environment, for scripts that run it as a user does."""

import sys
from pathlib import Path

EDGECAT = str(Path(sys.executable).with_name("edgecat"))
