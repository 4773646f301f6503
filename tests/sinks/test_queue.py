"""The queue on disk: in order, each sink with a place of its own, never without a bound."""

import json
import sqlite3

import pytest

import edgecat.sinks.queue
from edgecat.sinks.queue import NUM_RECENT
from tests.sinks.conftest import put


def take_all(queue, sink):
    taken = []
    while entry := queue.find_next(sink):
        taken.append(json.loads(entry.line))
        queue.mark_taken(sink, entry.number)
    return taken


def test_each_sink_takes_each_line_once_in_order(open_queue):
    queue = open_queue("mqtt", "post")
    put(queue, 1, 2)
    assert take_all(queue, "mqtt") == [1, 2]
    put(queue, 3)
    assert take_all(queue, "mqtt") == [3]
    assert take_all(queue, "post") == [1, 2, 3]


def test_what_was_not_taken_is_there_after_a_restart_with_the_same_id(open_queue):
    queue = open_queue("mqtt")
    put(queue, 1, 2)
    first = queue.find_next("mqtt")
    assert open_queue("mqtt").find_next("mqtt") == first
    assert open_queue("mqtt").count_waiting("mqtt") == 2


def test_an_id_is_given_once_even_when_the_queue_was_emptied(open_queue):
    queue = open_queue("mqtt")
    ids = set()
    for number in range(NUM_RECENT + 10):
        put(queue, number)
        ids.add(queue.find_next("mqtt").id)
        queue.mark_taken("mqtt", queue.find_next("mqtt").number)
    with queue._database.transaction():
        queue._database.sql.execute("DELETE FROM queue")
    queue = open_queue("mqtt")
    put(queue, "more")
    assert queue.find_next("mqtt").id not in ids


def test_a_new_sink_is_told_nothing_old_and_an_absent_one_keeps_its_place(open_queue):
    put(open_queue("mqtt"), 1)
    queue = open_queue("post")
    put(queue, 2)
    assert take_all(queue, "post") == [2]
    assert take_all(open_queue("mqtt"), "mqtt") == [1, 2]


def test_without_sinks_nothing_is_kept(open_queue):
    queue = open_queue()
    put(queue, 1)
    assert take_all(open_queue("mqtt"), "mqtt") == []


def test_a_line_of_a_transaction_that_failed_is_not_there(open_queue):
    queue = open_queue("mqtt")
    with pytest.raises(sqlite3.Error), queue._database.transaction():
        queue.put(b"1")
        raise sqlite3.Error
    put(queue, 2)
    entry = queue.find_next("mqtt")
    assert (entry.line, queue.count_missed("mqtt", entry)) == (b"2", 0)


def test_the_last_lines_stay_for_a_sink_that_forgets(open_queue):
    queue = open_queue("mqtt")
    for number in range(1, 2 * NUM_RECENT + 1):
        put(queue, number)
        queue.mark_taken("mqtt", queue.find_next("mqtt").number)
    put(queue, "waits")
    recent = [json.loads(entry.line) for entry in queue.find_recent("mqtt")]
    assert recent == list(range(NUM_RECENT + 1, 2 * NUM_RECENT + 1))
    (num_kept,) = queue._database.find("SELECT count(*) FROM queue")
    assert num_kept <= NUM_RECENT + 1


def test_of_too_many_lines_the_oldest_go_and_that_is_counted(open_queue, monkeypatch):
    monkeypatch.setattr(edgecat.sinks.queue, "MAX_WAITING", 5)
    queue = open_queue("mqtt", "post")
    put(queue, *range(1, 9))
    entry = queue.find_next("mqtt")
    assert (json.loads(entry.line), queue.count_missed("mqtt", entry)) == (4, 3)
    assert queue.count_waiting("mqtt") == 5


def test_only_the_last_line_is_the_newest(open_queue):
    queue = open_queue("mqtt")
    put(queue, 1, 2)
    first = queue.find_next("mqtt")
    queue.mark_taken("mqtt", first.number)
    assert (first.is_newest, queue.find_next("mqtt").is_newest) == (False, True)
