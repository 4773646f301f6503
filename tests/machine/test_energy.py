"""Energy as machines tell it: counters of processors, and what a Raspberry Pi 5's tool prints."""

import pytest

from edgecat.errors import DeviceError
from edgecat.machine.energy import find_meter

ZONES = "sys/class/powercap"
RANGE_UJ = 262143328850


def zone(place, name, energy_uj):
    return {
        f"{ZONES}/{place}/name": f"{name}\n",
        f"{ZONES}/{place}/energy_uj": f"{energy_uj}\n",
        f"{ZONES}/{place}/max_energy_range_uj": f"{RANGE_UJ}\n",
    }


# As the kernel lists them: a server of two processors, a notebook.
SERVER = {
    f"{ZONES}/intel-rapl/enabled": "1\n",
    **zone("intel-rapl:0", "package-0", 1_000_000),
    **zone("intel-rapl:0:0", "core", 0),
    **zone("intel-rapl:0:1", "dram", 0),
    **zone("intel-rapl:1", "package-1", RANGE_UJ - 500_000),
}
NOTEBOOK = {
    **zone("intel-rapl:0", "package-0", 1_000_000),
    **zone("intel-rapl:1", "psys", 0),
    **zone("intel-rapl-mmio:0", "package-0", 0),
}


@pytest.mark.parametrize(
    ("files", "after_uj", "joules"),
    [
        (NOTEBOOK, {"intel-rapl:0": 3_500_000}, 2.5),
        (NOTEBOOK, {"intel-rapl:1": 9_000_000, "intel-rapl-mmio:0": 9_000_000}, 0.0),
        (SERVER, {"intel-rapl:0": 1_250_000, "intel-rapl:0:1": 7_000_000}, 0.25),
        (SERVER, {"intel-rapl:0": 2_000_000, "intel-rapl:1": RANGE_UJ}, 1.5),
    ],
)
def test_the_packages_of_a_processor_count_and_nothing_twice(make_root, files, after_uj, joules):
    root = make_root(files)
    assert find_meter(root).measure_j(lambda: turn(root, after_uj)) == pytest.approx(joules)


def turn(root, after_uj):
    for place, energy_uj in after_uj.items():
        (root / ZONES / place / "energy_uj").write_text(f"{energy_uj}\n")


def test_a_counter_at_the_end_of_its_range_begins_again(make_root):
    root = make_root(SERVER)
    spent_j = find_meter(root).measure_j(lambda: turn(root, {"intel-rapl:1": 250_000}))
    assert spent_j == pytest.approx(0.75)


def test_a_counter_that_only_root_may_read_is_told_with_its_mend(make_root):
    root = make_root(NOTEBOOK)
    counter = root / ZONES / "intel-rapl:0/energy_uj"
    counter.unlink()
    counter.mkdir()  # root reads any file, so that the test needs one that nobody reads
    with pytest.raises(DeviceError, match=r"cannot be read .*as root, or .*sudo chmod a\+r /sys"):
        find_meter(root)


def test_a_counter_that_is_lost_meanwhile_is_an_error(make_root):
    root = make_root(NOTEBOOK)
    with pytest.raises(DeviceError, match="cannot be read"):
        find_meter(root).measure_j(lambda: turn(root, {"intel-rapl:0": "rubbish"}))


# Lines of a Raspberry Pi 5's `vcgencmd pmic_read_adc`.
PMIC = """
     3V7_WL_SW_A current(0)=0.00390372A
       3V3_SYS_A current(1)=0.50000000A
      VDD_CORE_A current(7)=1.50000000A
     3V7_WL_SW_V volt(8)=3.70000000V
       3V3_SYS_V volt(9)=3.30000000V
      VDD_CORE_V volt(15)=0.80000000V
         EXT5V_V volt(24)=5.10000000V
          BATT_V volt(25)=0.00488280V
"""
PMIC_W = 0.00390372 * 3.7 + 0.5 * 3.3 + 1.5 * 0.8


def make_pi(make_root, script):
    root = make_root({"usr/bin/vcgencmd": f"#!/bin/sh\n{script}"})
    (root / "usr/bin/vcgencmd").chmod(0o755)
    return root


def test_the_rails_of_a_raspberry_pi_5_add_up(make_root):
    script = f'test "$1" = pmic_read_adc && cat <<END{PMIC}END\n'
    meter = find_meter(make_pi(make_root, script))
    moments = iter([10.0, 12.0])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("edgecat.machine.energy.time.monotonic", lambda: next(moments))
        assert meter.measure_j(lambda: None) == pytest.approx(2 * PMIC_W)


@pytest.mark.parametrize(
    "script",
    ["echo 'error=1 error_msg=\"Command not registered\"'", "exit 1", "echo VDD_CORE_A", ""],
)
def test_a_board_without_that_chip_tells_no_energy(make_root, script):
    with pytest.raises(DeviceError, match="tells no energy"):
        find_meter(make_pi(make_root, script))


def test_a_machine_without_counters_tells_no_energy(tmp_path):
    with pytest.raises(DeviceError, match=r"containers and virtual machines.*Raspberry Pi 5"):
        find_meter(tmp_path)


def test_a_chip_that_falls_silent_is_an_error(make_root):
    root = make_pi(make_root, f"cat <<END{PMIC}END\n")
    meter = find_meter(root)
    (root / "usr/bin/vcgencmd").unlink()
    with pytest.raises(DeviceError, match="does not answer any more"):
        meter.measure_j(lambda: None)
