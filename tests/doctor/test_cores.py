import pytest

from edgecat.doctor.checks.cores import check_cores

FILES = {
    "sys/devices/system/cpu/online": "0-31\n",
    "proc/self/status": "Cpus_allowed_list:\t0-31\n",
    "proc/self/mountinfo": "31 24 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
    "proc/self/cgroup": "0::/\n",
}


@pytest.mark.parametrize(
    ("quota", "allowed", "status", "found"),
    [
        ("max", "0-31", "ok", "32 for a model: one for each physical core"),
        ("max", "4-7", "ok", "4 for a model: its affinity allows 4 of 32 physical cores"),
        ("100000", "0-31", "ok", "1 for a model: the CPU quota of its container or service is 1"),
        ("250000", "0-31", "ok", "2 for a model: the CPU quota of its container or service is 2.5"),
        ("50000", "0-31", "warning", "is 0.5; the kernel stops it in the midst"),
    ],
)  # fmt: skip
def test_what_decides_the_number_of_threads_is_said(make_pi, quota, allowed, status, found):
    finding = check_cores(
        make_pi(
            FILES
            | {
                "sys/fs/cgroup/cpu.max": f"{quota} 100000\n",
                "proc/self/status": f"Cpus_allowed_list:\t{allowed}\n",
            }
        )
    )
    assert finding.status == status
    assert found in finding.found
    assert ("--cpus 1" in finding.mend) == (status == "warning")
