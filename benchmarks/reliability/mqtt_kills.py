"""`edgecat watch --mqtt`, and the broker, killed with SIGKILL at random moments.

python -m benchmarks.reliability.mqtt_kills [--seed 0] [--num-kills 50] [--num-photos 1000]

The broker forgets everything when it is killed (`mqtt_broker.py`). Counted is at a subscriber that
comes back after each kill, as Home Assistant does: each photo must have come under exactly one id.
How often an id came again is told as well: those are messages that change nothing.
"""

import collections
import dataclasses
import json
import random
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import click
import numpy as np
from PIL import Image

from benchmarks.command import EDGECAT
from benchmarks.reliability.mqtt_broker import BrokerProcess, Subscriber
from benchmarks.results import write_result

# Photos per second: about ten arrive from one kill to the next.
_PHOTOS_PER_S = 8

# The longest time from a start to the kill, and how long a killed broker stays away.
_LONGEST_LIFE_S = 2.5
_LONGEST_ABSENCE_S = 2.0

# So long the last photo may take to the subscriber.
_PATIENCE_S = 60


@dataclasses.dataclass(frozen=True)
class Plan:
    """What happens.

    Attributes:
        bundle: What answers.
        num_photos: How many arrive.
        num_kills: How often one of both is killed.
        seed: Of the moments.
    """

    bundle: str
    num_photos: int
    num_kills: int
    seed: int


def bring_photos(folder: Path, plan: Plan) -> None:
    """Let photos arrive at random moments, each with a content of its own."""
    rng = random.Random(plan.seed)
    for number in range(plan.num_photos):
        pixels = np.random.default_rng(number).integers(0, 256, (120, 160, 3), dtype=np.uint8)
        hidden = folder / f".{number}.png"
        Image.fromarray(pixels).save(hidden)
        hidden.rename(folder / f"{number}.png")
        time.sleep(rng.expovariate(_PHOTOS_PER_S))


def kill_in_turn(plan: Plan, broker: BrokerProcess, command: list[str]) -> collections.Counter[str]:
    """Kill broker or watch at random moments; return how often each was killed."""
    rng, counts = random.Random(plan.seed), collections.Counter[str]()
    watch = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for number in range(plan.num_kills):
        time.sleep(rng.uniform(0, _LONGEST_LIFE_S))
        if rng.random() < 0.5:
            broker.kill()
            time.sleep(rng.uniform(0, _LONGEST_ABSENCE_S))
            broker.start()
            counts["broker"] += 1
        else:
            watch.kill()
            watch.wait()
            watch = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            counts["watch"] += 1
        print(f"kill {number + 1}", end="\r", flush=True)
    watch.kill()
    watch.wait()
    return counts


def carry_out(plan: Plan, top: Path) -> dict[str, Any]:
    """Return what came of a plan.

    Args:
        plan: What happens.
        top: An empty folder.
    """
    folder = top / "in"
    folder.mkdir()
    broker = BrokerProcess()
    broker.start()
    subscriber = Subscriber(broker.port)
    command = [
        EDGECAT, "watch", plan.bundle, str(folder), "--out", str(top / "results.jsonl"),
        "--settle", "0.2", "--mqtt", f"mqtt://127.0.0.1:{broker.port}",
    ]  # fmt: skip
    camera = threading.Thread(target=bring_photos, args=(folder, plan))
    camera.start()
    try:
        counts = kill_in_turn(plan, broker, command)
        camera.join()
        last = subprocess.run([*command, "--once"], check=True, capture_output=True, text=True)
        end_s = time.monotonic() + _PATIENCE_S
        while len(set(subscriber.photos)) < plan.num_photos and time.monotonic() < end_s:
            time.sleep(0.1)
    finally:
        subscriber.stop()
        broker.kill()
    seen = collections.Counter(subscriber.photos)
    return dataclasses.asdict(plan) | {
        "killed": dict(counts),
        "num_lost": plan.num_photos - len(seen),
        "num_twice": sum(seen.values()) - len(seen),
        "num_messages_again": subscriber.num_repeated,
        "last_words": last.stderr.splitlines(),
    }


@click.command()
@click.option("--seed", default=0, show_default=True)
@click.option("--num-kills", default=50, show_default=True)
@click.option("--num-photos", default=1000, show_default=True)
def main(seed: int, num_kills: int, num_photos: int) -> None:
    """Kill, count, write down."""
    with tempfile.TemporaryDirectory() as top:
        values = carry_out(Plan("cats12", num_photos, num_kills, seed), Path(top))
    del values["last_words"]
    print(json.dumps(values, indent=1))
    write_result("mqtt_kills", values)


if __name__ == "__main__":
    main()
