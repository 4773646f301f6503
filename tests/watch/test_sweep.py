"""Which photos leave the record, and when."""

import contextlib
import os
from types import SimpleNamespace

import pytest

import edgecat.watch.sweep
from edgecat.service.database import Database
from edgecat.watch.photo import Photo, Stamp
from edgecat.watch.record import RECORD, Record
from edgecat.watch.sweep import _NUM_ROWS, _NUM_SWEEPS, Sweep

DAY_S = 24 * 3600


@pytest.fixture
def database(tmp_path):
    with contextlib.closing(Database(tmp_path / "results.jsonl.done.sqlite", RECORD)) as opened:
        yield opened


@pytest.fixture
def clock(database, monkeypatch):
    """The time of sweeps; it stands until it is set."""
    (time_s,) = database.find("SELECT time_s FROM sweep")
    clock = SimpleNamespace(now_s=time_s)
    monkeypatch.setattr(edgecat.watch.sweep, "time", SimpleNamespace(time=lambda: clock.now_s))
    return clock


def answer(database, folder, name):
    (folder / name).write_bytes(b"x")
    remember(database, folder, name)


def remember(database, folder, name):
    with database.transaction():
        Record(database).remember([Photo(name, Stamp.of((folder / name).stat()), bytes(32))])


def count(database):
    return database.find("SELECT count(*) FROM done")[0]


def sweep_daily(database, folder, clock, num_days):
    sweep = Sweep(folder, database)
    for _ in range(num_days):
        clock.now_s += DAY_S
        while sweep.step():
            pass


def test_a_photo_that_is_gone_leaves_after_its_sweeps_and_the_others_stay(database, folder, clock):
    for number in range(2 * _NUM_ROWS + 1):
        answer(database, folder, f"{number}.jpg")
    for number in range(0, _NUM_ROWS):
        (folder / f"{number}.jpg").unlink()
    sweep_daily(database, folder, clock, _NUM_SWEEPS)
    assert count(database) == 2 * _NUM_ROWS + 1
    sweep_daily(database, folder, clock, 1)
    assert count(database) == _NUM_ROWS + 1


def test_a_photo_that_comes_back_in_time_starts_anew(database, folder, clock):
    answer(database, folder, "a.jpg")
    for _ in range(3):
        (folder / "a.jpg").rename(folder.parent / "away")
        sweep_daily(database, folder, clock, _NUM_SWEEPS)
        (folder.parent / "away").rename(folder / "a.jpg")
        sweep_daily(database, folder, clock, 1)
    assert count(database) == 1


@pytest.mark.parametrize("step_s", [0, 1, DAY_S - 1])
def test_there_is_a_sweep_a_day(database, folder, clock, step_s):
    clock.now_s += step_s
    assert not Sweep(folder, database).step()
    assert database.find("SELECT number FROM sweep") == (0,)


@pytest.mark.parametrize("step_s", [-50 * 365 * DAY_S, 50 * 365 * DAY_S])
def test_a_clock_that_jumps_is_one_sweep(database, folder, clock, step_s):
    answer(database, folder, "a.jpg")
    (folder / "a.jpg").unlink()
    clock.now_s += step_s
    sweep = Sweep(folder, database)
    assert [sweep.step() for _ in range(5)] == [True, False, False, False, False]
    assert database.find("SELECT number FROM sweep") == (1,)
    assert count(database) == 1


def test_a_folder_that_is_away_or_closed_costs_nothing(database, folder, clock):
    (folder / "sub").mkdir()
    answer(database, folder, "sub/a.jpg")
    folder.rename(folder.with_name("away"))
    sweep_daily(database, folder, clock, 2 * _NUM_SWEEPS)
    folder.with_name("away").rename(folder)
    assert count(database) == 1


def test_of_a_name_that_is_replaced_again_and_again_the_newest_stays(
    tmp_path, database, folder, clock
):
    for number in range(5):
        (folder / "upload").write_bytes(b"%d" % number)
        os.link(folder / "upload", tmp_path / f"keeps the inode {number}")
        (folder / "upload").rename(folder / "latest.jpg")
        remember(database, folder, "latest.jpg")
    assert count(database) == 5
    sweep_daily(database, folder, clock, 2)
    assert count(database) == 1
    assert Record(database).is_known("latest.jpg", Stamp.of((folder / "latest.jpg").stat()))
