"""What Linux tells of a folder, tried on a real one."""

import sys
from pathlib import Path

import pytest

from edgecat.watch.inotify import Changes, Inotify

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's")

# So long a test waits for something that must come.
WAIT_S = 10


@pytest.fixture
def inotify(tmp_path):
    opened = Inotify()
    opened.add(tmp_path)
    yield opened
    opened.close()


def wait(inotify):
    """Gather what comes until nothing comes any more."""
    all_changes = [inotify.wait(WAIT_S)]
    while (changes := inotify.wait(0.05)) != Changes():
        all_changes.append(changes)
    return Changes(
        tuple(path for changes in all_changes for path in changes.closed),
        tuple(path for changes in all_changes for path in changes.new_folders),
        any(changes.is_scan_due for changes in all_changes),
    )


def test_a_file_is_told_of_when_it_is_closed_not_before(tmp_path, inotify):
    with (tmp_path / "a.jpg").open("wb") as file:
        file.write(b"half")
        file.flush()
        assert wait_shortly(inotify) == ()
        file.write(b"rest")
    assert wait(inotify) == Changes((tmp_path / "a.jpg",))


def wait_shortly(inotify):
    """Return what comes at once; the creation of a file wakes, but tells nothing."""
    return inotify.wait(0.05).closed + inotify.wait(0.05).closed


def test_a_file_that_is_moved_here_is_told_of(tmp_path, inotify):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.part").write_bytes(b"whole")
    wait(inotify)
    (tmp_path / "sub" / "a.part").rename(tmp_path / "a.jpg")
    assert wait(inotify) == Changes((tmp_path / "a.jpg",))


@pytest.mark.parametrize("name", ["with blank.jpg", "고양이.jpg", "x" * 250])
def test_names_come_whole(tmp_path, inotify, name):
    (tmp_path / name).touch()
    assert wait(inotify).closed == (tmp_path / name,)


def test_a_new_folder_is_told_of(tmp_path, inotify):
    (tmp_path / "sub").mkdir()
    assert wait(inotify) == Changes(new_folders=(tmp_path / "sub",))


def test_a_folder_that_is_moved_here_is_told_of(tmp_path, inotify):
    (tmp_path / "sub" / "deep").mkdir(parents=True)
    wait(inotify)
    (tmp_path / "sub" / "deep").rename(tmp_path / "deep")
    assert wait(inotify) == Changes(new_folders=(tmp_path / "deep",))


def test_a_queue_that_ran_over_asks_for_a_scan(tmp_path, inotify):
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    if limit > 100_000:
        pytest.skip(f"needs fs.inotify.max_queued_events of at most 100,000, it is {limit}")
    for number in range(limit // 2 + 1):  # each is two events: created, closed
        (tmp_path / str(number % 10)).touch()
        (tmp_path / str(number % 10)).unlink()
    assert wait(inotify).is_scan_due


def test_a_folder_that_was_renamed_is_told_of_under_its_new_name_once_it_is_added(
    tmp_path, inotify
):
    (tmp_path / "old").mkdir()
    inotify.add(tmp_path / "old")
    (tmp_path / "old").rename(tmp_path / "new")
    inotify.add(tmp_path / "new")
    wait(inotify)
    (tmp_path / "new" / "a.jpg").touch()
    assert wait(inotify).closed == (tmp_path / "new" / "a.jpg",)


def test_a_folder_that_is_gone_is_an_error_and_a_removed_one_is_forgotten(tmp_path, inotify):
    with pytest.raises(FileNotFoundError):
        inotify.add(tmp_path / "nowhere")
    (tmp_path / "sub").mkdir()
    inotify.add(tmp_path / "sub")
    (tmp_path / "sub").rmdir()
    assert wait(inotify) == Changes(new_folders=(tmp_path / "sub",))
