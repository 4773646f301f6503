import pytest

from edgecat.doctor.checks.governor import check_governor
from edgecat.doctor.checks.memory import check_memory
from edgecat.doctor.checks.temperature import check_temperature
from edgecat.doctor.checks.throttling import check_throttling

CPUFREQ = "sys/devices/system/cpu/cpu0/cpufreq"
THROTTLED = "sys/devices/platform/soc/soc:firmware/get_throttled"


@pytest.mark.parametrize(
    ("flags", "status", "words", "mend"),
    [
        ("0", "ok", "none since the start", ""),
        (
            "50005",
            "problem",
            "now under-voltage, throttled; since the start under-v",
            "power supply",
        ),
        ("1", "problem", "0x1: now under-voltage", "power supply"),
        ("4", "problem", "0x4: now throttled", "fan"),
        ("e0000", "warning", "now nothing; since the start clock capped, throttled, soft", "fan"),
        ("10000", "warning", "now nothing; since the start under-voltage", "power supply"),
        ("80008", "warning", "now soft temperature limit; since the start soft temp", "fan"),
        ("0x2", "warning", "now clock capped", "fan"),
        ("rubbish", "warning", "unknown, vcgencmd says rubbish", "raspi-utils"),
        (None, "warning", "unknown, vcgencmd says nothing", "raspi-utils"),
    ],
)
def test_a_pis_throttling_flags_are_read_and_decoded(make_pi, flags, status, words, mend):
    finding = check_throttling(make_pi({THROTTLED: flags}))
    assert finding.status == status
    assert words in finding.found
    assert mend in finding.mend


def test_the_pis_own_tool_is_asked_first(make_pi):
    machine = make_pi({"usr/bin/vcgencmd": "#!/bin/sh\necho throttled=0x50000\n"})
    (machine.root / "usr/bin/vcgencmd").chmod(0o755)
    assert "0x50000" in check_throttling(machine).found


@pytest.mark.parametrize("script", ["#!/bin/sh\nexit 255\n", "no program", "#!/bin/sh\n"])
def test_where_the_tool_does_not_answer_the_kernel_is_asked(make_pi, script):
    machine = make_pi({"usr/bin/vcgencmd": script, THROTTLED: "4\n"})
    (machine.root / "usr/bin/vcgencmd").chmod(0o755)
    assert "0x4" in check_throttling(machine).found


def test_other_machines_have_no_such_flags(make_pi):
    assert check_throttling(make_pi({THROTTLED: None, "proc/device-tree/model": None})) is None


@pytest.mark.parametrize(
    ("governor", "driver", "status"),
    [
        ("ondemand", "cpufreq-dt", "ok"),
        ("performance", "cpufreq-dt", "ok"),
        ("powersave", "cpufreq-dt", "warning"),
        ("powersave", None, "warning"),
        ("powersave", "intel_pstate", "ok"),
        ("powersave", "amd-pstate-epp", "ok"),
        (None, None, "ok"),
    ],
)
def test_a_clock_that_does_not_rise_is_a_warning(make_pi, governor, driver, status):
    files = {f"{CPUFREQ}/scaling_governor": governor, f"{CPUFREQ}/scaling_driver": driver}
    finding = check_governor(make_pi(files))
    assert finding.status == status
    assert ("ondemand | sudo tee" in finding.mend) == (status == "warning")


@pytest.mark.parametrize(
    ("temperatures", "status", "words"),
    [
        (["48686"], "ok", "49 degrees"),
        (["79999"], "ok", "80 degrees"),
        (["80000"], "warning", "80 degrees Celsius; from 80 on"),
        (["41000", "92000"], "warning", "92 degrees"),
        (["-5000"], "ok", "-5 degrees"),
        (["", "nonsense"], "ok", "no sensor"),
        ([None], "ok", "no sensor"),
    ],
)
def test_the_hottest_sensor_counts(make_pi, temperatures, status, words):
    zone = "sys/class/thermal/thermal_zone{}/temp"
    files = {zone.format(number): text for number, text in enumerate(temperatures)}
    finding = check_temperature(make_pi(files))
    assert finding.status == status
    assert words in finding.found


@pytest.mark.parametrize(
    ("free_kb", "status"),
    [
        (3_200_000, "ok"),
        (235_000, "ok"),
        (234_000, "warning"),
        (117_000, "problem"),
        (0, "problem"),
    ],
)
def test_memory_must_hold_a_model(make_pi, free_kb, status):
    finding = check_memory(
        make_pi({"proc/meminfo": f"MemFree: 1 kB\nMemAvailable: {free_kb} kB\n"})
    )
    assert finding.status == status
    assert finding.found.startswith(f"{1024 * free_kb / 1e6:.0f} MB free")


@pytest.mark.parametrize("text", [None, "", "MemTotal: 3885396 kB\n", "MemAvailable: many kB\n"])
def test_memory_that_the_kernel_does_not_tell_is_no_trouble(make_pi, text):
    assert check_memory(make_pi({"proc/meminfo": text})).status == "ok"


@pytest.mark.parametrize(
    ("limit_bytes", "status", "found"),
    [
        (600_000_000, "ok", "500 MB free of the 600 MB that its control group may use"),
        (300_000_000, "warning", "200 MB free of the 300 MB"),
        (200_000_000, "problem", "100 MB free of the 200 MB"),
        (9_000_000_000, "ok", "3277 MB free"),
    ],
)
def test_memory_is_what_the_container_grants(make_pi, limit_bytes, status, found):
    finding = check_memory(
        make_pi(
            {
                "proc/self/mountinfo": "31 24 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
                "proc/self/cgroup": "0::/\n",
                "sys/fs/cgroup/memory.max": f"{limit_bytes}\n",
                "sys/fs/cgroup/memory.current": "100000000\n",
            }
        )
    )
    assert finding.status == status
    assert finding.found.startswith(found)
    assert ("docker run --memory" in finding.mend) == (status != "ok")
