"""What the control groups of containers and services leave: cores and memory."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.device.cpu_quota import limited_group
from edgecat.machine.cores import Cores, count_threads, read_cores
from edgecat.machine.memory import FreeMemory, limit_memory, peak_rss_bytes, read_free_memory

# /proc/self/mountinfo, by what a process sees of the control groups.
V2 = "31 24 0:27 / /sys/fs/cgroup rw,nosuid,nodev,noexec - cgroup2 cgroup2 rw,nsdelegate\n"
V1 = (
    "32 31 0:28 {part} /sys/fs/cgroup/cpu,cpuacct ro master:9 - cgroup cgroup rw,cpu,cpuacct\n"
    "35 31 0:31 {part} /sys/fs/cgroup/memory ro master:12 - cgroup cgroup rw,memory\n"
)
V1_PROC = "12:memory:{group}\n4:cpu,cpuacct:{group}\n1:name=systemd:{group}\n"

POD = "/kubepods/burstable/pod8e1f/3f0c"
SERVICE = "/system.slice/edgecat-watch.service"


def groups(mounts, proc, files):
    """Files of a machine with these control groups; `files` stand below /sys/fs/cgroup."""
    return {"proc/self/mountinfo": mounts, "proc/self/cgroup": proc} | {
        f"sys/fs/cgroup/{name}": text for name, text in files.items()
    }


# A server: 4 cores with 2 hyper-threads each, numbered as Linux does it.
SERVER = {
    "sys/devices/system/cpu/online": "0-7\n",
    "proc/self/status": "Name:\tpython\nCpus_allowed:\tff\nCpus_allowed_list:\t0-7\nThreads: 1\n",
} | {
    f"sys/devices/system/cpu/cpu{n}/topology/thread_siblings_list": f"{n % 4},{n % 4 + 4}\n"
    for n in range(8)
}


def v1(group, part, files):
    return groups(V1.format(part=part), V1_PROC.format(group=group), files)


QUOTAS = {
    "docker run --cpus 2, cgroup v2": (groups(V2, "0::/\n", {"cpu.max": "200000 100000\n"}), 2),
    "docker run without a limit, v2": (groups(V2, "0::/\n", {"cpu.max": "max 100000\n"}), None),
    "docker run --cpus 1.5 --cgroupns host, v2": (
        groups(V2, "0::/system.slice/docker-3f0c.scope\n", {
            "system.slice/docker-3f0c.scope/cpu.max": "150000 100000\n",
            "system.slice/cpu.max": "max 100000\n",
        }),
        1.5,
    ),
    "the host's path, though only the own group is mounted": (
        groups(V2.replace("0:27 / ", "0:27 /docker/3f0c "), "0::/docker/3f0c\n",
               {"cpu.max": "50000 100000\n"}),
        0.5,
    ),
    "a group outside of the namespace": (
        groups(V2, "0::/../other\n", {"cpu.max": "300000 100000\n"}), 3,
    ),
    "Kubernetes, limits: cpu: 2 in a pod with 3, v2": (
        groups(V2, f"0::{POD}\n", {
            f"{POD[1:]}/cpu.max": "200000 100000\n",
            "kubepods/burstable/pod8e1f/cpu.max": "300000 100000\n",
            "kubepods/cpu.max": "max 100000\n",
        }),
        2,
    ),
    "systemd, CPUQuota=150% in a slice with 100%, v2": (
        groups(V2, f"0::{SERVICE}\n", {
            f"{SERVICE[1:]}/cpu.max": "150000 100000\n",
            "system.slice/cpu.max": "100000 100000\n",
        }),
        1,
    ),
    "docker run --cpus 2, v1": (
        v1("/docker/3f0c", "/docker/3f0c", {
            "cpu,cpuacct/cpu.cfs_quota_us": "200000\n", "cpu,cpuacct/cpu.cfs_period_us": "100000\n",
        }),
        2,
    ),
    "docker run without a limit, v1": (
        v1("/docker/3f0c", "/docker/3f0c", {
            "cpu,cpuacct/cpu.cfs_quota_us": "-1\n", "cpu,cpuacct/cpu.cfs_period_us": "100000\n",
        }),
        None,
    ),
    "Kubernetes, a limit of the pod alone, v1": (
        v1(POD, "/", {
            f"cpu,cpuacct{POD}/cpu.cfs_quota_us": "-1\n",
            f"cpu,cpuacct{POD}/cpu.cfs_period_us": "100000\n",
            "cpu,cpuacct/kubepods/burstable/pod8e1f/cpu.cfs_quota_us": "25000\n",
            "cpu,cpuacct/kubepods/burstable/pod8e1f/cpu.cfs_period_us": "50000\n",
        }),
        0.5,
    ),
    "systemd, CPUQuota=300% on a system with both versions": (
        groups(V1.format(part="/") + V2.replace("/cgroup ", "/cgroup/unified "),
               V1_PROC.format(group=SERVICE) + f"0::{SERVICE}\n", {
            f"cpu,cpuacct{SERVICE}/cpu.cfs_quota_us": "300000\n",
            f"cpu,cpuacct{SERVICE}/cpu.cfs_period_us": "100000\n",
            f"unified{SERVICE}/cgroup.procs": "1\n",
        }),
        3,
    ),
    "a path with a blank": (
        groups(V2.replace("/sys/fs/cgroup", r"/sys/fs/my\040groups"), "0::/a\n",
               {"../my groups/a/cpu.max": "100000 100000\n"}),
        1,
    ),
    "no control groups": ({}, None),
    "a group that is not mounted": (groups("", "0::/\n", {"cpu.max": "100000 100000"}), None),
    "nonsense": (
        groups(V2, "\nno group\n0::/\n", {"cpu.max": "much 0\n", "cpu.cfs_quota_us": "\n"}), None,
    ),
    "a period of 0": (groups(V2, "0::/\n", {"cpu.max": "100000 0\n"}), None),
}  # fmt: skip


@pytest.mark.parametrize(("files", "quota"), QUOTAS.values(), ids=QUOTAS)
def test_the_smallest_quota_of_a_group_and_those_above_it_is_found(make_root, files, quota):
    assert read_cores(make_root(SERVER | files)).quota == quota


@pytest.mark.parametrize(
    ("allowed", "quota", "num_threads", "bound"),
    [
        ("0-7", "max", 4, "cores"),
        ("0-3", "max", 4, "cores"),  # one hyper-thread of each
        ("0,4", "max", 1, "affinity"),  # both of one
        ("0-1,4", "max", 2, "affinity"),
        ("0-7", "250000", 2, "quota"),
        ("0-7", "199999", 1, "quota"),
        ("0-7", "20000", 1, "quota"),
        ("0-7", "400000", 4, "cores"),
        ("0-7", "1600000", 4, "cores"),
        ("0-1", "200000", 2, "affinity"),
        ("0-1", "100000", 1, "quota"),
        ("", "max", 4, "cores"),
        ("99", "max", 4, "cores"),
        ("some", "max", 4, "cores"),
    ],
)
def test_the_least_of_cores_affinity_and_quota_decides(
    make_root, allowed, quota, num_threads, bound
):
    files = groups(V2, "0::/\n", {"cpu.max": f"{quota} 100000\n"})
    status = {"proc/self/status": f"Cpus_allowed_list:\t{allowed}\n"}
    cores = read_cores(make_root(SERVER | files | status))
    assert (cores.num_threads, cores.bound) == (num_threads, bound)


def test_a_core_that_is_offline_does_not_count(make_root):
    files = SERVER | {"sys/devices/system/cpu/online": "0-2,4-6\n"}
    assert read_cores(make_root(files)) == Cores(num_physical=3, num_allowed=3)


def test_where_the_kernel_says_nothing_pythons_count_is_taken(make_root):
    assert read_cores(make_root({"empty": ""})).num_physical == os.cpu_count()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs affinity (Linux)")
def test_a_process_bound_to_one_processor_computes_with_one_thread():
    script = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "from edgecat.machine.cores import count_threads\n"
        "print(count_threads())"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert done.stdout.strip() == b"1"
    assert count_threads() >= 1


MACHINE = {"proc/meminfo": "MemTotal:  8000000 kB\nMemFree: 1 kB\nMemAvailable:  4000000 kB\n"}
OF_MACHINE = FreeMemory(4_096_000_000)

# As the kernel writes "no limit" in version 1: the largest whole number of pages.
NO_LIMIT = "9223372036854771712\n"

CASES = {
    "no control groups": ({}, OF_MACHINE),
    "docker run -m 512m, v2": (
        groups(V2, "0::/\n", {"memory.max": "536870912\n", "memory.current": "436870912\n"}),
        FreeMemory(100_000_000, 536_870_912),
    ),
    "files that the kernel can drop count as free": (
        groups(V2, "0::/\n", {
            "memory.max": "536870912\n", "memory.current": "436870912\n",
            "memory.stat": "anon 100\nfile 300000000\ninactive_file 300000000\n",
        }),
        FreeMemory(400_000_000, 536_870_912),
    ),
    "docker run without a limit, v2": (
        groups(V2, "0::/\n", {"memory.max": "max\n", "memory.current": "436870912\n"}), OF_MACHINE,
    ),
    "a limit above what the machine has": (
        groups(V2, "0::/\n", {"memory.max": "99000000000\n", "memory.current": "1\n"}), OF_MACHINE,
    ),
    "systemd, MemoryMax=600M in a slice with less, v2": (
        groups(V2, f"0::{SERVICE}\n", {
            f"{SERVICE[1:]}/memory.max": "600000000\n",
            f"{SERVICE[1:]}/memory.current": "100000000\n",
            "system.slice/memory.max": "700000000\n",
            "system.slice/memory.current": "650000000\n",
        }),
        FreeMemory(50_000_000, 700_000_000),
    ),
    "Kubernetes, v1": (
        groups(V1.format(part=POD), V1_PROC.format(group=POD), {
            "memory/memory.limit_in_bytes": "268435456\n",
            "memory/memory.usage_in_bytes": "168435456\n",
            "memory/memory.stat": "inactive_file 1\ntotal_inactive_file 50000000\n",
        }),
        FreeMemory(150_000_000, 268_435_456),
    ),
    "no limit, v1": (
        groups(V1.format(part="/"), V1_PROC.format(group="/"), {
            "memory/memory.limit_in_bytes": NO_LIMIT, "memory/memory.usage_in_bytes": "1000\n",
        }),
        OF_MACHINE,
    ),
    "used up": (
        groups(V2, "0::/\n", {"memory.max": "1000\n", "memory.current": "1100\n"}),
        FreeMemory(0, 1000),
    ),
    "nonsense": (groups(V2, "0::/\n", {"memory.max": "\n", "memory.current": "x"}), OF_MACHINE),
}  # fmt: skip


@pytest.mark.parametrize(("files", "free"), CASES.values(), ids=CASES)
def test_the_machine_or_the_tightest_group_says_what_is_left(make_root, files, free):
    assert read_free_memory(make_root(MACHINE | files)) == free


@pytest.mark.parametrize("text", ["", "MemTotal: 5 kB\n", "MemAvailable: many kB\n"])
def test_a_kernel_that_says_nothing_gives_nothing(make_root, text):
    assert read_free_memory(make_root({"proc/meminfo": text})) is None


def test_a_process_in_a_real_group_finds_its_quota():
    script = (
        "import os, sys\n"
        "from edgecat.machine.cores import read_cores\n"
        "open(sys.argv[1] + '/cgroup.procs', 'w').write(str(os.getpid()))\n"
        "print(read_cores().quota, read_cores().num_threads)"
    )
    try:
        with limited_group(0.5) as group:
            command = [sys.executable, "-c", script, str(group)]
            done = subprocess.run(command, capture_output=True, check=True)
    except PermissionError as error:
        pytest.skip(str(error))
    assert done.stdout.split() == [b"0.5", b"1"]


def test_a_process_takes_no_more_than_it_is_granted_for_a_block():
    with limit_memory(2**28):
        bytearray(2**20)
        with pytest.raises(MemoryError):
            bytearray(2**30)
    bytearray(2**30)


def test_a_kernel_that_tells_no_peak_is_asked_otherwise(monkeypatch):
    told = peak_rss_bytes()
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: "Name:\tpython\n")
    assert 0.5 * told < peak_rss_bytes() < 50 * told
