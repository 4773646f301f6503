import errno
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from edgecat import atomic
from edgecat.errors import StorageError

LIMIT_BYTES = 64 * 1024


def fill_with_error(file):
    file.write(b"half")
    raise KeyError("boom")


def fill_a_full_device(file):
    file.write(b"half")
    with open("/dev/full", "wb") as full:
        full.write(b"x")


def test_a_file_is_written_and_replaced(tmp_path):
    path = tmp_path / "a.txt"
    atomic.write_text(path, "erst ä")
    atomic.write_text(path, "dann 고양이")
    assert path.read_bytes() == "dann 고양이".encode()
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_file_has_the_rights_that_any_new_file_has(tmp_path):
    atomic.write_text(tmp_path / "ours", "")
    (tmp_path / "plain").write_text("")
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("ours", "plain")}
    assert len(modes) == 1


@pytest.mark.parametrize("old", [None, b"old"])
@pytest.mark.parametrize(
    ("write", "error"), [(fill_with_error, KeyError), (fill_a_full_device, StorageError)]
)
def test_an_error_midway_leaves_the_old_file_and_no_litter(tmp_path, old, write, error):
    path = tmp_path / "a.bin"
    if old is not None:
        path.write_bytes(old)
    with pytest.raises(error):
        atomic.write_file(path, write)
    assert os.listdir(tmp_path) == ([] if old is None else ["a.bin"])
    assert old is None or path.read_bytes() == old


def test_what_the_system_says_of_a_temporary_name_is_said_of_the_file_that_was_asked_for():
    with pytest.raises(StorageError) as refused:
        atomic.write_text(Path("/proc/page.html"), "x")
    assert str(refused.value).startswith("/proc/page.html: could not be written (")
    assert "hoose another folder" in str(refused.value)
    assert "unfinished" not in str(refused.value)


def test_an_error_of_another_file_comes_as_it_is(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        atomic.write_file(tmp_path / "a", lambda file: (tmp_path / "nowhere").read_bytes())


def test_a_file_that_grows_too_large_leaves_the_old_one(tmp_path, largest_file):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with pytest.raises(StorageError, match=r"a\.bin.*unchanged"), largest_file(LIMIT_BYTES):
        atomic.write_file(path, lambda file: file.write(bytes(2 * LIMIT_BYTES)))
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_a_full_disk_leaves_the_old_file(small_disk):
    path = small_disk / "a.bin"
    path.write_bytes(b"old")
    with pytest.raises(StorageError, match="df -h"):
        atomic.write_file(path, lambda file: file.write(bytes(2**20)))
    assert path.read_bytes() == b"old"
    assert os.listdir(small_disk) == ["a.bin"]


def test_a_full_disk_leaves_the_old_folder(small_disk):
    path = small_disk / "run"
    path.mkdir()
    (path / "old").write_text("old")
    with pytest.raises(StorageError, match="df -h"), atomic.new_folder(path) as folder:
        (folder / "new").write_bytes(bytes(2**20))
    assert os.listdir(small_disk) == ["run"]
    assert (path / "old").read_text() == "old"


def test_a_new_folder_replaces_the_old_one_whole(tmp_path):
    path = tmp_path / "run"
    for content in ("first", "second"):
        with atomic.new_folder(path) as folder:
            (folder / content).write_text(content)
            (folder / "deep").mkdir()
            (folder / "deep" / "file").write_text(content)
            assert path.exists() == (content == "second")
    assert sorted(os.listdir(path)) == ["deep", "second"]
    assert (path / "deep" / "file").read_text() == "second"
    assert os.listdir(tmp_path) == ["run"]


def test_a_new_folder_makes_the_folders_above(tmp_path):
    with atomic.new_folder(tmp_path / "a" / "b" / "c") as folder:
        (folder / "x").write_text("x")
    assert (tmp_path / "a" / "b" / "c" / "x").read_text() == "x"


@pytest.mark.parametrize("old", [False, True])
def test_an_error_in_the_block_leaves_the_old_folder_and_no_litter(tmp_path, old):
    path = tmp_path / "run"
    if old:
        path.mkdir()
        (path / "old").write_text("old")
    with pytest.raises(KeyError), atomic.new_folder(path) as folder:
        (folder / "new").write_text("new")
        raise KeyError("boom")
    assert os.listdir(tmp_path) == (["run"] if old else [])
    assert not old or os.listdir(path) == ["old"]


def test_ctrl_c_in_the_block_leaves_no_litter(tmp_path):
    with pytest.raises(KeyboardInterrupt), atomic.new_folder(tmp_path / "run"):
        raise KeyboardInterrupt
    assert os.listdir(tmp_path) == []


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux swaps two folders in one step")
def test_a_folder_is_replaced_in_one_step(tmp_path):
    """Whoever looks during 200 replacements always finds a whole folder."""
    path = tmp_path / "run"
    path.mkdir()
    (path / "file").write_text("0")
    missing, looks, done = [], [], threading.Event()

    def look():
        while not done.is_set():
            looks.append(1)
            if not Path(path).exists():
                missing.append(len(looks))

    watcher = threading.Thread(target=look)
    watcher.start()
    for number in range(200):
        with atomic.new_folder(path) as folder:
            (folder / "file").write_text(str(number))
    done.set()
    watcher.join()
    assert len(looks) > 200
    assert missing == []


def test_where_folders_cannot_be_swapped_at_once_a_failure_leaves_the_old_one(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(atomic.sys, "platform", "other")
    rename = Path.rename

    def fail_on_the_new_one(path, target):
        if path.name.endswith(atomic.UNFINISHED):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        return rename(path, target)

    with atomic.new_folder(tmp_path / "a") as folder:
        (folder / "old").touch()
    monkeypatch.setattr(Path, "rename", fail_on_the_new_one)
    with pytest.raises(StorageError), atomic.new_folder(tmp_path / "a") as folder:
        (folder / "new").touch()
    assert os.listdir(tmp_path) == ["a"]
    assert os.listdir(tmp_path / "a") == ["old"]


def test_a_link_to_a_folder_is_replaced_without_litter(tmp_path):
    real = tmp_path / "elsewhere" / "real"
    real.mkdir(parents=True)
    (tmp_path / "run").symlink_to(real)
    with atomic.new_folder(tmp_path / "run") as folder:
        (folder / "new").write_text("new")
    assert (tmp_path / "run" / "new").read_text() == "new"
    assert sorted(os.listdir(tmp_path)) == ["elsewhere", "run"]


@pytest.mark.parametrize(
    "code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG]
)
def test_what_the_system_says_of_the_disk_becomes_a_storage_error(code):
    told = pytest.raises(StorageError, match=r"x\.bin: .*unchanged")
    with told, atomic.storage_errors(Path("x.bin")):
        raise OSError(code, os.strerror(code))


WRITE_FOREVER = """
import pathlib, sys, time
from edgecat import atomic

def write(file):
    file.write(b"half")
    wait()

def wait():
    print("writing", flush=True)
    time.sleep(600)

path = pathlib.Path(sys.argv[2])
if sys.argv[1] == "file":
    atomic.write_file(path, write)
else:
    with atomic.new_folder(path) as folder:
        (folder / "half").write_text("half")
        wait()
"""


def write_again(kind, path):
    if kind == "file":
        atomic.write_text(path, "whole")
    else:
        with atomic.new_folder(path) as folder:
            (folder / "whole").write_text("whole")


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_a_killed_process_left_is_removed_by_the_next_but_not_what_a_living_one_writes(
    tmp_path, kind
):
    path = tmp_path / "run"
    keep = tmp_path / ".run.settings"
    keep.write_text("somebody's own")
    with subprocess.Popen(
        [sys.executable, "-c", WRITE_FOREVER, kind, path], stdout=subprocess.PIPE, text=True
    ) as process:
        process.stdout.readline()
        (unfinished,) = set(tmp_path.iterdir()) - {keep}
        write_again(kind, path)
        assert set(tmp_path.iterdir()) == {keep, path, unfinished}
        process.kill()
    assert set(tmp_path.iterdir()) == {keep, path, unfinished}
    write_again(kind, path)
    assert set(tmp_path.iterdir()) == {keep, path}


def test_another_system_error_stays_what_it_is():
    with pytest.raises(ConnectionResetError), atomic.storage_errors(Path("x.bin")):
        raise OSError(errno.ECONNRESET, "reset")
