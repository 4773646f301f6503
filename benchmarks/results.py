"""Where raw results go: benchmarks/results/<host>/<name>.json, with the host's facts."""

import json
import re
from pathlib import Path
from typing import Any

from edgecat.bench.host import describe_host

RESULTS = Path(__file__).parent / "results"


def write_result(name: str, values: dict[str, Any]) -> None:
    """Write a result and say where."""
    host = describe_host()
    slug = re.sub(r"[^a-z0-9]+", "-", f"{host['cpu']} {host['num_cpus']} cpus".lower()).strip("-")
    path = RESULTS / slug / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"host": host} | values, indent=1, ensure_ascii=False) + "\n")
    print(f"wrote {path}")


def list_results(name: str) -> list[Path]:
    """Return the files with results of this name, one a host."""
    return sorted(RESULTS.glob(f"*/{name}.json"))


def load_results(name: str) -> list[dict[str, Any]]:
    """Return the results of this name from all hosts."""
    return [json.loads(path.read_text()) for path in list_results(name)]
