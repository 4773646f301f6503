"""What peers take on emulated Raspberry Pis, as Markdown."""

from collections.abc import Sequence
from typing import Any

from benchmarks.peers.verdict import OURS

#: As `tests/emulated/pi.py` names them.
PIS = ("pi3", "pi4", "pi5")


def summarize_pis(result: dict[str, Any]) -> str:
    """Return of how many peers a variant of edgecat answers as well with no more instructions."""
    measured = [row for row in result["rows"] if "ratio" in row]
    rows_of = {pi: [row for row in measured if row["machine"] == pi] for pi in PIS}
    return "; ".join(_summarize(pi, rows) for pi, rows in rows_of.items() if rows)


def _summarize(machine: str, there: Sequence[dict[str, Any]]) -> str:
    ours = [row for row in there if row["name"].startswith(OURS)]
    peers = [row for row in there if row not in ours]
    best = min(ours, key=lambda row: row["ratio"])
    rest = [f"`{peer['name']}`" for peer in peers if not any(_is_as_good(o, peer) for o in ours)]
    return (
        f"{machine}: `{best['name'].removeprefix(OURS)}` takes {best['ratio']:.2f}x; "
        f"{len(peers) - len(rest)} of {len(peers)} peers are dominated"
        + (f", not {', '.join(rest)}" if rest else "")
    )


def _is_as_good(own: dict[str, Any], peer: dict[str, Any]) -> bool:
    return own["agreement_ratio"] >= peer["agreement_ratio"] and own["ratio"] <= peer["ratio"]


def format_pis(result: dict[str, Any]) -> str:
    """Return a table: a row each name, a column each machine."""
    cells = {(row["name"], row["machine"]): _format_cell(row) for row in result["rows"]}
    names = dict.fromkeys(name for name, _ in cells)
    lines = [
        f"Instructions an image on emulated Raspberry Pis, by those of `{result['reference']}` "
        f"there, and on how many of {result['num_photos']} photos the answer is the checkpoint's. "
        "Instructions are no milliseconds: they leave out caches and memory.",
        "",
        "|".join(["", "name", *PIS, ""]),
        "|---" * (1 + len(PIS)) + "|",
    ]
    for name in names:
        row = [cells.get((name, machine), "") for machine in PIS]
        lines.append("|".join(["", f"`{name}`", *row, ""]))
    return "\n".join([*lines, ""])


def _format_cell(row: dict[str, Any]) -> str:
    if "ratio" not in row:
        return "not to be had"
    return f"{row['ratio']:.3f}x, {100 * row['agreement_ratio']:.0f} %"
