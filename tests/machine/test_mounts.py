import pytest

from edgecat.machine.mounts import is_in_memory, list_mounts

MOUNTS = """21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
22 21 0:5 / /dev/shm rw,nosuid shared:2 - tmpfs tmpfs rw
23 21 0:6 / /srv/two\\040words rw - tmpfs tmpfs rw
24 21 0:7 / /srv/covered rw - tmpfs tmpfs rw
25 21 8:2 / /srv/covered rw - ext4 /dev/sda2 rw
rubbish
"""


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/home/me/run/photos", False),
        ("/dev/shm/run/photos", True),
        ("/dev/shmoo", False),
        ("/srv/two words/x", True),
        ("/srv/covered/x", False),
    ],
)
def test_a_file_in_a_tmpfs_takes_memory(make_root, path, answer):
    root = make_root({"proc/self/mountinfo": MOUNTS})
    assert is_in_memory(path, root) is answer


def test_without_a_list_of_mounts_nothing_is_in_memory(make_root):
    root = make_root({"empty": ""})
    assert list_mounts(root) == []
    assert is_in_memory(root, root) is False
