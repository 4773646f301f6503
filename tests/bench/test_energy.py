"""What a photo costs beyond what the machine takes anyway."""

import time

import pytest

from edgecat.bench.energy import measure_energy
from edgecat.errors import DeviceError
from edgecat.progress import Silent

BLOCK_S = 0.01
IDLE_W = 2.0


class Bench:
    """A machine that takes `IDLE_W`, and more for each photo."""

    source = "a machine that is known"

    def __init__(self, idle_w=IDLE_W):
        self.idle_w, self.photos_j = idle_w, 0.0

    def answer(self, photo_j):
        self.photos_j += photo_j

    def measure_j(self, work):
        before_j, started = self.photos_j, time.monotonic()
        work()
        return self.photos_j - before_j + self.idle_w * (time.monotonic() - started)


def test_the_idle_machine_is_taken_off_and_told():
    bench = Bench()
    actions = {
        "small": lambda: (time.sleep(1e-3), bench.answer(0.5)),
        "large": lambda: (time.sleep(2e-3), bench.answer(2.0)),
    }
    found = measure_energy(bench, actions, Silent(), BLOCK_S)
    assert found.source == bench.source
    # The clocks of the turn and of the machine are not read at the same moment.
    assert found.idle_w == pytest.approx(IDLE_W, rel=0.2)
    for name, photo_j in (("small", 0.5), ("large", 2.0)):
        one = found.variants[name]
        assert one.net_j == pytest.approx(photo_j, rel=0.05)
        assert one.net_interval_j[0] <= one.net_j <= one.net_interval_j[1]
        assert one.gross_j > one.net_j


def test_each_round_has_all_of_them_and_an_idle_turn():
    bench, order = Bench(), []
    actions = {name: lambda name=name: (order.append(name), time.sleep(BLOCK_S)) for name in "ab"}
    measure_energy(bench, actions, Silent(), BLOCK_S)
    assert order == ["a", "b"] * 6


def test_a_counter_that_stands_still_is_no_answer():
    with pytest.raises(DeviceError, match="stands still"):
        measure_energy(Bench(idle_w=0.0), {"a": lambda: None}, Silent(), BLOCK_S)
