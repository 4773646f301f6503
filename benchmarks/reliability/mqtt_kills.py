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
import time
from pathlib import Path
from typing import Any

import click
import numpy as np
from PIL import Image

from benchmarks.command import EDGECAT
from benchmarks.reliability.mqtt_broker import BrokerProcess, Subscriber
from benchmarks.results import write_result

# The longest time between two photos, and how long a killed broker stays away.
_LONGEST_GAP_S = 0.2
_LONGEST_ABSENCE_S = 2.0

# One in so many kills comes while watch starts; before the others an answer has come through, so
# that a slow machine is killed at work, too.
_EARLY_RATIO = 0.25

# So long an answer may take to the subscriber.
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


class Both:
    """Broker and watch, both of which may be killed and started again.

    Attributes:
        counts: How often each was killed.
    """

    def __init__(self, command: list[str], broker: BrokerProcess) -> None:
        """Start watch.

        Args:
            command: Of watch.
            broker: Running.
        """
        self.counts: collections.Counter[str] = collections.Counter()
        self._command = command
        self._broker = broker
        self._start()

    def wait_until_it_watches(self) -> None:
        """Return as soon as watch has said so."""
        while not self._is_watching:
            line = self._watch.stderr.readline()
            assert line, "watch has ended"
            self._is_watching = line.startswith("watching")

    def kill_watch(self) -> None:
        """Kill watch and start it again."""
        self.stop()
        self._start()
        self.counts["watch"] += 1

    def kill_broker(self, absence_s: float) -> None:
        """Kill the broker and start it again after a while."""
        self._broker.kill()
        time.sleep(absence_s)
        self._broker.start()
        self.counts["broker"] += 1

    def stop(self) -> None:
        """Kill watch, if it runs."""
        self._watch.kill()
        self._watch.wait()
        self._watch.stderr.close()

    def _start(self) -> None:
        self._is_watching = False
        pipes: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
        self._watch = subprocess.Popen(self._command, text=True, **pipes)


def bring_photo(folder: Path, number: int) -> None:
    """Let a photo arrive, with a content of its own."""
    pixels = np.random.default_rng(number).integers(0, 256, (120, 160, 3), dtype=np.uint8)
    hidden = folder / f".{number}.png"
    Image.fromarray(pixels).save(hidden)
    hidden.rename(folder / f"{number}.png")


def wait_for(subscriber: Subscriber, num_photos: int) -> None:
    """Return as soon as a subscriber has seen so many photos, or the time for that is over."""
    end_s = time.monotonic() + _PATIENCE_S
    while len(subscriber.photos) < num_photos and time.monotonic() < end_s:
        time.sleep(0.01)


def kill_in_turn(plan: Plan, both: Both, folder: Path, subscriber: Subscriber) -> None:
    """Let photos arrive, and kill broker or watch at random moments between them."""
    rng, num_seen = random.Random(plan.seed), 0
    killed_at = set(rng.sample(range(plan.num_photos), plan.num_kills))
    for number in range(plan.num_photos):
        bring_photo(folder, number)
        time.sleep(rng.uniform(0, _LONGEST_GAP_S))
        if number not in killed_at:
            continue
        if rng.random() >= _EARLY_RATIO:
            both.wait_until_it_watches()
            wait_for(subscriber, num_seen + 1)
            time.sleep(rng.uniform(0, 2 * _LONGEST_GAP_S))
        if rng.random() < 0.5:
            both.kill_broker(rng.uniform(0, _LONGEST_ABSENCE_S))
        else:
            both.kill_watch()
        num_seen = len(subscriber.photos)
        print(f"kill {both.counts.total()}", end="\r", flush=True)
    both.stop()


def tell_the_rest(command: list[str]) -> None:
    """Let watch answer what it has not, and tell it."""
    said = "answers wait"
    while "answers wait" in said:
        said = subprocess.run(
            [*command, "--once"], check=True, capture_output=True, text=True
        ).stderr


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
        "--settle", "0", "--mqtt", f"mqtt://127.0.0.1:{broker.port}",
    ]  # fmt: skip
    both = Both(command, broker)
    try:
        kill_in_turn(plan, both, folder, subscriber)
        num_before = len(subscriber.photos)
        tell_the_rest(command)
        wait_for(subscriber, plan.num_photos)
    finally:
        both.stop()
        subscriber.stop()
        broker.kill()
    seen = collections.Counter(subscriber.photos)
    return dataclasses.asdict(plan) | {
        "killed": dict(both.counts),
        "num_told_between_kills": num_before,
        "num_lost": plan.num_photos - len(seen),
        "num_twice": sum(seen.values()) - len(seen),
        "num_messages_again": subscriber.num_repeated,
    }


@click.command()
@click.option("--seed", default=0, show_default=True)
@click.option("--num-kills", default=50, show_default=True)
@click.option("--num-photos", default=1000, show_default=True)
def main(seed: int, num_kills: int, num_photos: int) -> None:
    """Kill, count, write down."""
    with tempfile.TemporaryDirectory() as top:
        values = carry_out(Plan("cats12", num_photos, num_kills, seed), Path(top))
    print(json.dumps(values, indent=1))
    write_result("mqtt_kills", values)


if __name__ == "__main__":
    main()
