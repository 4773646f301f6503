"""Where raw results go: benchmarks/results/<host>/<name>.json, with the host's facts.

A host is named by its processor, the newest instructions of that which decide over int8 and bf16,
and its cores: clouds call several generations by one name.
"""

import json
import re
from pathlib import Path
from typing import Any

from edgecat.bench.host import describe_host

RESULTS = Path(__file__).parent / "results"


def write_result(name: str, values: dict[str, Any]) -> None:
    """Write a result and say where."""
    host = describe_host()
    path = RESULTS / name_host(host) / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"host": host} | values, indent=1, ensure_ascii=False) + "\n")
    print(f"wrote {path}")


def name_host(host: dict[str, Any]) -> str:
    """Return the folder of a host's results."""
    parts = [host["cpu"], *host["features"][-1:], f"{host['num_cpus']} cpus"]
    return re.sub(r"[^a-z0-9]+", "-", " ".join(parts).lower()).strip("-")


def list_results(name: str) -> list[Path]:
    """Return the files with results of this name, one a host: what can do most comes first."""
    return sorted(RESULTS.glob(f"*/{name}.json"), key=_rank)


def load_results(name: str) -> list[dict[str, Any]]:
    """Return the results of this name from all hosts."""
    return [json.loads(path.read_text()) for path in list_results(name)]


def _rank(path: Path) -> tuple[int, Path]:
    """Return less the more of the instructions that decide over int8 and bf16 its host has."""
    return -len(json.loads(path.read_text())["host"]["features"]), path
