"""Functions applied by several processes."""

import functools
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from libml.workers import available_cores, ordered_map

ROOT = os.path.dirname(os.path.dirname(__file__))


class Picky(Exception):
    """Can be pickled, but not unpickled."""

    def __init__(self, first, second):
        super().__init__(f"{first} and {second}")


def square(item):
    return item * item


def process_id(item):
    return os.getpid()


def bulky(item, megabytes=1):
    return bytes([item % 256]) * (megabytes << 20)


def fail_at(item, bad, error):
    if item == bad:
        raise error
    return item


def quit_at(item, bad):
    if item == bad:
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def not_picklable(item):
    return lambda: item


def picky(item):
    raise Picky("salt", "pepper")


def wait_until(condition, seconds=5):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


@pytest.fixture(autouse=True)
def no_workers_left():
    yield
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("items", [range(3, 50), list("abc" * 5), ()], ids=["range", "list", "nothing"])
def test_results_are_in_order_and_the_same_as_in_process(items):
    function = functools.partial(str.__mul__ if isinstance(items, list) else square)
    del function
    expected = [repr(item) for item in items]
    assert list(ordered_map(repr, items, workers=1)) == expected
    assert list(ordered_map(repr, items, workers=2)) == expected
