"""An iterator that works ahead in a thread."""

import itertools
import threading

import pytest

from libml.system.background import DEPTH, ahead


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
