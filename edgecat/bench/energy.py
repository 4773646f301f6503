"""What a photo costs in joules, beyond what the machine takes anyway."""

import dataclasses
import statistics
import time
from collections.abc import Callable, Mapping
from functools import partial

from edgecat.bench.clock import median_interval
from edgecat.errors import DeviceError
from edgecat.machine.energy import Meter
from edgecat.progress import Progress

# Of six rounds the 95 % interval of a median is their range; a second has five answers of a
# Raspberry Pi's power chip, and a thousand of a processor's counter.
_NUM_ROUNDS, _BLOCK_S = 6, 1.0


@dataclasses.dataclass(frozen=True)
class PhotoEnergy:
    """What a photo costs with one variant.

    Attributes:
        net_j: Joules beyond those that the idle machine would have taken meanwhile: what a photo
            more costs.
        net_interval_j: Its 95 % interval.
        gross_j: Joules with them: what a photo costs a machine that does nothing else.
    """

    net_j: float
    net_interval_j: tuple[float, float]
    gross_j: float


@dataclasses.dataclass(frozen=True)
class Energy:
    """What photos cost.

    Attributes:
        source: What told it.
        idle_w: Power of the machine while it answered nothing.
        variants: By variant; all of them, and nothing, took turns of a second.
    """

    source: str
    idle_w: float
    variants: dict[str, PhotoEnergy]


@dataclasses.dataclass(frozen=True)
class _Block:
    """A turn: what it cost, how long it took, what was done."""

    joules: float
    duration_s: float
    num_photos: int

    @property
    def power_w(self) -> float:
        return self.joules / self.duration_s


def measure_energy(
    meter: Meter,
    actions: Mapping[str, Callable[[], object]],
    progress: Progress,
    block_s: float = _BLOCK_S,
) -> Energy:
    """Let nothing, then each variant, have the machine for a second, in turn.

    Args:
        meter: Of this machine.
        actions: By variant, what answers a photo.
        progress: Told of each turn.
        block_s: How long a turn is.

    Raises:
        DeviceError: The meter stands still, or does not tell any more.
    """
    idle: list[_Block] = []
    turns: dict[str, list[_Block]] = {name: [] for name in actions}
    with progress.phase("energy", _NUM_ROUNDS * (len(actions) + 1)) as step:
        for _ in range(_NUM_ROUNDS):
            idle.append(_take_turn(meter, partial(time.sleep, block_s), block_s))
            step()
            for name, action in actions.items():
                turns[name].append(_take_turn(meter, action, block_s))
                step()
    if not any(block.joules for block in idle):
        raise DeviceError(f"{meter.source} stands still, as it does in virtual machines")
    return Energy(
        meter.source,
        statistics.median(block.power_w for block in idle),
        {name: _describe(blocks, idle) for name, blocks in turns.items()},
    )


def _take_turn(meter: Meter, action: Callable[[], object], block_s: float) -> _Block:
    """Do something again and again, for a while, once at least."""
    num, duration_s = 0, 0.0

    def work() -> None:
        nonlocal num, duration_s
        started = time.monotonic()
        while not num or duration_s < block_s:
            action()
            num, duration_s = num + 1, time.monotonic() - started

    joules = meter.measure_j(work)
    return _Block(joules, duration_s, num)


def _describe(blocks: list[_Block], idle: list[_Block]) -> PhotoEnergy:
    """Return a variant's energy; from each turn that of the idle one in its round is taken."""
    net_j = [
        (block.joules - rest.power_w * block.duration_s) / block.num_photos
        for block, rest in zip(blocks, idle, strict=True)
    ]
    gross_j = [block.joules / block.num_photos for block in blocks]
    return PhotoEnergy(statistics.median(net_j), median_interval(net_j), statistics.median(gross_j))
