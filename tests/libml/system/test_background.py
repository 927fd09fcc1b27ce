"""An iterator that works ahead in a thread."""

import itertools
import threading
import time
from concurrent.futures import wait

import pytest

from libml.system.background import DEPTH, Behind, ahead, each_ahead


def test_the_same_items_in_the_same_order():
    with ahead(iter(range(100))) as items:
        assert list(items) == list(range(100))


def test_it_fetches_while_the_caller_is_busy_but_not_too_far():
    fetched, enough = [], threading.Event()

    def source():
        for i in itertools.count():
            fetched.append(i)
            if len(fetched) == DEPTH + 2:
                enough.set()
            yield i

    with ahead(source()) as items:
        assert next(items) == 0
        assert enough.wait(10)  # one handed over, DEPTH waiting, one in the thread's hands
        assert not [t for t in threading.enumerate() if t.name == "ahead" and not t.is_alive()]
        assert len(fetched) == DEPTH + 2
    assert "ahead" not in [t.name for t in threading.enumerate()]


def test_an_error_is_raised_when_its_turn_has_come():
    def source():
        yield 1
        raise KeyError("lost")

    with ahead(source()) as items:
        assert next(items) == 1
        with pytest.raises(KeyError, match="lost"):
            next(items)


def test_the_thread_ends_with_an_error_of_the_caller():
    with pytest.raises(ValueError, match="caller"), ahead(itertools.count()) as items:
        next(items)
        raise ValueError("caller")
    assert "ahead" not in [t.name for t in threading.enumerate()]


def test_threads_compute_each_ahead_in_order_but_not_too_far():
    begun, together = [], threading.Barrier(3)

    def square(i):
        begun.append(i)
        if i < 3:
            together.wait(10)  # breaks unless three compute at once
        if i == 20:
            raise KeyError("lost")
        return i * i

    with each_ahead(square, itertools.count(), 3) as squares:
        assert [next(squares) for _ in range(20)] == [i * i for i in range(20)]
        assert max(begun) <= 19 + 2 * 3
        with pytest.raises(KeyError, match="lost"):
            next(squares)
    assert not [t.name for t in threading.enumerate() if t.name.startswith("each-ahead")]


def test_jobs_are_done_behind_and_their_ends_told_in_order():
    told, go = [], threading.Event()
    with Behind(2, most=100) as behind:
        behind.put(lambda: go.wait(10), 60, lambda done: told.append(("slow", done, threading.current_thread())))
        behind.put(lambda: "quick", 40, told.append)
        assert told == []
        behind.put(go.set, 30, told.append)  # too much waits: this returns when the first is done
        assert told[0] == ("slow", True, threading.main_thread())
        behind.put(lambda: "large", 1000, told.append)
        assert told[1:] == ["quick", None, "large"]


def test_what_goes_wrong_behind_is_raised_and_nothing_is_told_after_it():
    told, go = [], threading.Event()

    def fail():
        go.wait(10)
        raise KeyError("lost")

    with pytest.raises(KeyError, match="lost"), Behind(1, most=100) as behind:
        behind.put(lambda: "first", 1, told.append)
        behind.put(fail, 1, told.append)
        behind.put(lambda: "third", 1, told.append)
        go.set()
    assert told == ["first"]
    # Where the caller goes wrong, what was done is told, and what has not begun is not done.
    with pytest.raises(ZeroDivisionError), Behind(1, most=100) as behind:
        begun, later = threading.Event(), []

        def last():
            begun.set()
            while not behind._leaving:
                time.sleep(0.01)
            return "last"

        behind.put(last, 1, told.append)
        later.append(behind.put(lambda: told.append("never"), 1, told.append))
        later.append(behind.put(lambda: wait(later[:1]), 1, told.append))
        begun.wait(10)
        raise ZeroDivisionError
    assert told == ["first", "last"] and all(job.done() for job in later)
