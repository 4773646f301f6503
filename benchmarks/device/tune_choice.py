"""Does `edgecat tune` find what a long benchmark finds fastest?

python -m benchmarks.device.tune_choice cats12

A long race of every variant with every number of threads is the truth, as far as this machine tells
it; then `edgecat tune` runs again and again, as a user runs it, each time in a process of its own
with a state folder of its own. Both use the one clock. The regret of a choice is by how much it is
slower than the truth's fastest, by the long race.
"""

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import click

from benchmarks.command import EDGECAT
from benchmarks.results import write_result


def tune(bundle: str, seconds: float) -> dict[str, Any]:
    """Return what `edgecat tune --json` prints."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [EDGECAT, "tune", bundle, "--seconds", f"{seconds:g}", "--json"],
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | {"XDG_STATE_HOME": folder},
        )
        found: dict[str, Any] = json.loads(done.stdout)
        Path(found.pop("file")).unlink()
    return found


def ratios(tuning: dict[str, Any]) -> dict[str, float]:
    """Return each candidate's latency by that of the reference."""
    return {f"{one['variant']} {one['threads']}": one["ratio"] for one in tuning["timings"]}


@click.command()
@click.argument("bundle")
@click.option("--repetitions", default=10, show_default=True)
@click.option("--seconds", default=60.0, show_default=True, help="Of each tuning.")
@click.option("--long-seconds", default=600.0, show_default=True, help="Of the long race.")
def main(bundle: str, repetitions: int, seconds: float, long_seconds: float) -> None:
    """Tune BUNDLE again and again, half of the times before the long race and half behind it."""
    early = [tune(bundle, seconds) for _ in range(repetitions // 2)]
    truth = tune(bundle, long_seconds)
    late = [tune(bundle, seconds) for _ in range(repetitions - len(early))]
    long_ratios = ratios(truth)
    fastest = f"{truth['variant']} {truth['threads']}"
    runs = []
    for tuning in (*early, *late):
        chosen = f"{tuning['variant']} {tuning['threads']}"
        runs.append(
            {
                "chosen": chosen,
                "is_fastest": chosen == fastest,
                "regret_ratio": long_ratios[chosen] / long_ratios[fastest] - 1,
                "noise": tuning["noise"],
                "num_rounds": tuning["timings"][0]["num_rounds"],
                "ratios": ratios(tuning),
            }
        )
        print(chosen, f"{100 * runs[-1]['regret_ratio']:+.1f} %", tuning["noise"]["verdict"])
    spreads = {
        name: max(values) / min(values) - 1
        for name in long_ratios
        if (values := [run["ratios"][name] for run in runs if name in run["ratios"]])
    }
    result = {
        "bundle": Path(bundle).name,
        "seconds": seconds,
        "long_seconds": long_seconds,
        "fastest": fastest,
        "num_same": sum(run["is_fastest"] for run in runs),
        "num_runs": len(runs),
        "max_regret_ratio": max(run["regret_ratio"] for run in runs),
        "spread_of_ratio": spreads,
        "truth": truth,
        "runs": runs,
    }
    print(f"{result['num_same']} of {len(runs)} chose {fastest}")
    write_result("tune_choice", result)


if __name__ == "__main__":
    main()
