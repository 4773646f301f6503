"""Clock, heat and power of machines as files describe them, and what is made of that."""

import dataclasses

import pytest

from edgecat.machine.conditions import Conditions, read_conditions
from edgecat.machine.noise import judge_noise

QUIET = Conditions("performance", 2400.0, 50.0, 0, 0.1)


def test_a_pi_tells_all_of_it(make_root):
    cpufreq = "sys/devices/system/cpu/cpu{}/cpufreq/{}"
    root = make_root(
        {
            cpufreq.format(0, "scaling_governor"): "ondemand\n",
            cpufreq.format(0, "scaling_cur_freq"): "1500000\n",
            cpufreq.format(1, "scaling_cur_freq"): "2400000\n",
            "sys/class/thermal/thermal_zone0/temp": "50123\n",
            "sys/class/thermal/thermal_zone1/temp": "61500\n",
            "sys/devices/platform/soc/soc:firmware/get_throttled": "50005\n",
        }
    )
    found = read_conditions(root)
    assert (found.governor, found.frequency_mhz, found.temperature_c) == ("ondemand", 2400.0, 61.5)
    assert found.throttled == 0x50005


def test_a_machine_that_tells_nothing_is_no_trouble(tmp_path):
    found = dataclasses.asdict(read_conditions(tmp_path))
    assert found.pop("load_1min") >= 0
    assert set(found.values()) == {None}


@pytest.mark.parametrize(
    ("margins", "verdict"),
    [([0.001, 0.02], "quiet"), ([0.001, 0.021], "noisy"), ([0.11], "too noisy"), ([], "quiet")],
)
def test_the_widest_interval_decides_the_verdict(margins, verdict):
    noise = judge_noise(margins, QUIET, QUIET, num_cores=4)
    assert (noise.verdict, noise.margin_ratio) == (verdict, max(margins, default=0.0))


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ({}, {}, ""),
        ({"load_1min": 3.0}, {}, "other programs were running (load 3.0 on 4 cores)"),
        ({}, {"load_1min": 3.0}, ""),
        ({}, {"throttled": 0x50004}, "the board reports under-voltage, throttled"),
        ({"throttled": 0x50000}, {"throttled": 0x50000}, ""),  # over, before the run began
        (
            {"throttled": 0x50000},
            {"throttled": 0xD0000},
            "the board reports soft temperature limit",
        ),
        ({"throttled": 0x50001}, {"throttled": 0x50000}, "the board reports under-voltage"),
        ({}, {"frequency_mhz": 1500.0}, "the clock fell from 2400 to 1500 MHz"),
        ({}, {"frequency_mhz": None}, ""),
    ],
)
def test_what_may_be_to_blame_is_named(before, after, words):
    changed = [dataclasses.replace(QUIET, **change) for change in (before, after)]
    noise = judge_noise([0.05], *changed, num_cores=4)
    assert ", ".join(noise.reasons) == words
    assert noise.describe() == (
        "noisy: differences below 5.0 % are not told apart" + (f"; {words}" if words else "")
    )


def test_a_kernel_that_tells_no_load_is_no_trouble(monkeypatch):
    def refuse():
        raise OSError("Load averages are unobtainable")

    monkeypatch.setattr("os.getloadavg", refuse)
    now = read_conditions()
    assert now.load_1min is None
    assert judge_noise([0.01], now, now, 4).verdict == "quiet"
