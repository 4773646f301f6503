"""Couriers: in order, one at a time, whatever the sink does; answering never waits for them."""

import json
import threading

import pytest

import edgecat.sinks.courier
from edgecat.errors import StorageError
from edgecat.sinks.courier import Couriers
from edgecat.sinks.sink import Rejected, Unreachable
from tests.sinks.conftest import put, wait_until


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(edgecat.sinks.courier, "_FIRST_WAIT_S", 0.01)
    monkeypatch.setattr(edgecat.sinks.courier, "_LONGEST_WAIT_S", 0.05)


class Pocket:
    """A sink that keeps what it is given; `faults` are raised first, one a call."""

    name, address = "mqtt", "pocket://"

    def __init__(self, faults=()):
        self.lines, self.calls, self.faults = [], [], list(faults)
        self.is_over = False

    def connect(self, recent):
        self.calls.append(("connect", [json.loads(entry.line) for entry in recent]))

    def take(self, entry):
        if self.faults:
            raise self.faults.pop(0)
        self.lines.append(json.loads(entry.line))

    def rest(self, wake):
        wake.wait(0.05)

    def hang_up(self, *, is_over):
        self.calls.append("hang up")
        self.is_over = is_over


def carry(queue, sink, said, patience_s=30):
    return Couriers(queue, [sink], said, patience_s=patience_s)


def test_lines_are_brought_in_order_and_those_that_come_meanwhile_too(open_queue, said):
    queue, sink = open_queue("mqtt"), Pocket()
    put(queue, 1, 2)
    with carry(queue, sink, said) as couriers:
        wait_until(lambda: sink.lines == [1, 2])
        put(queue, 3)
        couriers.wake()
        wait_until(lambda: sink.lines == [1, 2, 3])
    assert (sink.is_over, said) == (True, [])


@pytest.mark.parametrize(
    "fault", [Unreachable("away"), IndexError("garbage"), StorageError("full")]
)
def test_a_trouble_is_told_once_and_the_line_is_brought_once_it_is_over(open_queue, said, fault):
    queue, sink = open_queue("mqtt"), Pocket([fault] * 5)
    put(queue, 1, 2)
    with carry(queue, sink, said):
        wait_until(lambda: sink.lines == [1, 2])
    assert len(said) == 2
    assert "answers wait in the queue" in said[0]
    assert said[1] == "pocket://: well again"


def test_a_trouble_with_other_words_each_time_does_not_fill_the_log(open_queue, said):
    faults = [Unreachable(f"answered 503 request {number}") for number in range(30)]
    queue, sink = open_queue("mqtt"), Pocket(faults)
    put(queue, 1)
    with carry(queue, sink, said):
        wait_until(lambda: sink.lines == [1])
    *troubles, last = said
    assert len(troubles) == edgecat.sinks.courier._MAX_TOLD
    assert "more is told once it is well again" in troubles[-1]
    assert last == "pocket://: well again"


def test_a_sink_that_cannot_even_hang_up_is_tried_again(open_queue, said, monkeypatch):
    queue, sink = open_queue("mqtt"), Pocket([Unreachable("away")])

    def fail(**_):
        raise IndexError

    monkeypatch.setattr(sink, "hang_up", fail)
    put(queue, 1)
    with carry(queue, sink, said):
        wait_until(lambda: sink.lines == [1])


def test_after_a_failure_the_sink_is_connected_anew_with_the_last_lines(open_queue, said):
    queue, sink = open_queue("mqtt"), Pocket()
    put(queue, 1)
    with carry(queue, sink, said):
        wait_until(lambda: queue.count_waiting("mqtt") == 0)
        sink.faults.append(Unreachable("away"))
        put(queue, 2)
        wait_until(lambda: sink.lines == [1, 2])
    assert sink.calls == [("connect", []), "hang up", ("connect", [1]), "hang up"]


def test_a_line_that_is_rejected_is_told_of_and_the_next_is_brought(open_queue, said):
    queue, sink = open_queue("mqtt"), Pocket([Rejected("too odd")])
    put(queue, 1, 2)
    with carry(queue, sink, said):
        wait_until(lambda: sink.lines == [2])
    assert said == ["pocket://: answer 1 is left out: too odd"]


def test_a_line_that_could_not_be_noted_as_taken_comes_again_before_the_next(
    open_queue, said, monkeypatch
):
    queue, sink = open_queue("mqtt"), Pocket()
    put(queue, 1, 2)
    mark, faults = queue.mark_taken, [StorageError("full")]

    def mark_later(*arguments):
        if faults:
            raise faults.pop()
        mark(*arguments)

    monkeypatch.setattr(queue, "mark_taken", mark_later)
    with carry(queue, sink, said):
        wait_until(lambda: queue.count_waiting("mqtt") == 0)
    assert sink.lines == [1, 1, 2]


def test_what_waits_at_the_end_is_told_and_sent_by_the_next_start(open_queue, said):
    queue, away = open_queue("mqtt"), Pocket([Unreachable("away")] * 1000)
    put(queue, 1, 2)
    with carry(queue, away, said, patience_s=0.1):
        pass
    assert said[-1] == "pocket://: 2 answers left in the queue, which the next start sends"
    sink = Pocket()
    with carry(queue, sink, said):
        wait_until(lambda: sink.lines == [1, 2])


def test_nobody_waits_for_a_sink_that_hangs(open_queue, said, monkeypatch):
    monkeypatch.setattr(edgecat.sinks.courier, "_HANG_UP_S", 0.1)
    queue, sink, over = open_queue("mqtt"), Pocket(), threading.Event()
    monkeypatch.setattr(sink, "take", lambda entry: over.wait())
    put(queue, 1)
    with carry(queue, sink, said, patience_s=0.1) as couriers:
        put(queue, *range(2, 50))
        couriers.wake()
    over.set()
    assert said[-1].startswith("pocket://: 49 answers left")


def test_lines_that_the_queue_could_not_keep_are_told(open_queue, said, monkeypatch):
    monkeypatch.setattr(edgecat.sinks.queue, "MAX_WAITING", 2)
    queue, sink = open_queue("mqtt"), Pocket([Unreachable("away")] * 3)
    put(queue, 1, 2, 3, 4)
    with carry(queue, sink, said):
        wait_until(lambda: sink.lines == [3, 4])
    assert [line for line in said if "queue and" in line] == [
        "pocket://: 2 answers too many for the queue and not sent; the results have all"
    ]
