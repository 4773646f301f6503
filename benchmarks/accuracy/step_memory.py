"""What does a training step cost if the C library keeps the memory that it frees?

python -m benchmarks.accuracy.step_memory

Each way in a process of its own, in turn, on one thread; processor time, of which the kernel's, and
page faults a step of mobilenet_v3_small with 32 photos.
"""

import json
import resource
import subprocess
import sys
from statistics import median

import click

from benchmarks.results import write_result

WAYS = ("as it is", "kept")
NUM_STEPS = 5


@click.command()
@click.option("--repeats", default=5, show_default=True)
@click.option("--child", type=click.Choice(WAYS), hidden=True)
def main(repeats: int, child: str | None) -> None:
    """Measure steps in both ways."""
    if child is not None:
        print(json.dumps(measure(child)))
        return
    rows = []
    for _ in range(repeats):
        for way in WAYS:
            command = [sys.executable, "-m", "benchmarks.accuracy.step_memory", "--child", way]
            done = subprocess.run(command, capture_output=True, check=True)
            rows.append({"way": way, **json.loads(done.stdout)})
    medians = {
        way: {
            name: median(row[name] for row in rows if row["way"] == way)
            for name in ("cpu_s", "kernel_s", "page_faults")
        }
        for way in WAYS
    }
    ratio = medians["kept"]["cpu_s"] / medians["as it is"]["cpu_s"]
    write_result("step_memory", {"rows": rows, "median": medians, "cpu_ratio": ratio})


def measure(way: str) -> dict[str, float]:
    """Return what a step takes, mean of several."""
    import torch

    from edgecat.train.allocator import keep_freed_memory
    from edgecat.train.batches import Batch
    from edgecat.train.learner import build_learner
    from edgecat.train.loop import take_step
    from edgecat.train.network import build_network
    from edgecat.train.recipe import Recipe

    torch.set_num_threads(1)
    if way == "kept":
        keep_freed_memory()
    recipe = Recipe()
    learner = build_learner(build_network("mobilenet_v3_small", 12), recipe, torch.device("cpu"))
    learner.network.train()
    photos = torch.randint(0, 256, (32, 224, 224, 3), dtype=torch.uint8)
    batch = Batch(photos, torch.randint(0, 12, (32,)))
    take_step(learner, batch, recipe)
    before = resource.getrusage(resource.RUSAGE_SELF)
    for _ in range(NUM_STEPS):
        take_step(learner, batch, recipe)
    after = resource.getrusage(resource.RUSAGE_SELF)
    kernel_s = after.ru_stime - before.ru_stime
    return {
        "cpu_s": (after.ru_utime - before.ru_utime + kernel_s) / NUM_STEPS,
        "kernel_s": kernel_s / NUM_STEPS,
        "page_faults": (after.ru_minflt - before.ru_minflt) / NUM_STEPS,
    }


if __name__ == "__main__":
    main()
