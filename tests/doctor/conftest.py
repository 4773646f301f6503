"""Machines as a test describes them: facts, and files below a folder in the place of /."""

import pytest

from edgecat.doctor.machine import Machine

# Source: a Raspberry Pi 4 under the 64-bit Raspberry Pi OS (Debian 12).
PI4_FILES = {
    "proc/cpuinfo": "processor\t: 0\nFeatures\t: fp asimd evtstrm crc32 cpuid\nCPU part\t: 0xd08\n",
    "proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.4\0",
    "proc/meminfo": "MemTotal:  3885396 kB\nMemFree:  200000 kB\nMemAvailable:  3200000 kB\n",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "ondemand\n",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_driver": "cpufreq-dt\n",
    "sys/class/thermal/thermal_zone0/temp": "48686\n",
    "sys/devices/platform/soc/soc:firmware/get_throttled": "0\n",
}


@pytest.fixture
def make_pi(tmp_path):
    """A function that makes a healthy Raspberry Pi 4, but for what it is given.

    A file given as None is missing.
    """

    def make(files=None, **facts):
        for name, text in (PI4_FILES | (files or {})).items():
            if text is not None:
                path = tmp_path / "root" / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
        values = {
            "machine": "aarch64",
            "bits": 64,
            "glibc": "2.36",
            "python": "3.11.2",
            "packages": {"onnxruntime": "1.32.0"},
        }
        return Machine(**(values | facts), root=tmp_path / "root")

    return make
