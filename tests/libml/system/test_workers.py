"""A function applied by several processes."""

import functools
import multiprocessing
import os
import signal
import subprocess
import sys
import time

import pytest

from libml.system.workers import WORTH_A_WORKER, ordered_map
from tests.support import ROOT


class OneWayError(Exception):
    """Can be pickled, but not unpickled."""

    def __init__(self, first, second):
        super().__init__(f"{first} and {second}")


def square(item):
    return item * item


def process_id(item, seconds=0.0):
    time.sleep(seconds)
    return os.getpid()


def mark(item, folder, size):
    (folder / str(item)).touch()
    return bytes(size)


def fail_at_5(item):
    if item == 5:
        raise KeyError("five")
    return item


def fail_unpicklably(item):
    raise OneWayError("salt", "pepper")


def die_at_5(item):
    if item == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def leave_at_multiples_of_5(item, folder, times):
    """Ends the process the first `times` that it has such an item."""
    with (folder / str(item)).open("a") as f:
        f.write(f"{os.getpid()}\n")
    if item % 5 == 0 and len((folder / str(item)).read_text().split()) <= times:
        os._exit(7)
    return item


class Stillborn:
    """A function that ends each process which unpickles it."""

    def __reduce__(self):
        return os._exit, (7,)

    def __call__(self, item):
        return item


def closure(item):
    return lambda: item


@pytest.fixture(autouse=True)
def no_workers_left():
    yield
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("items", [range(3, 20), [2, 7, 1, 8], (5,), []], ids=str)
def test_results_are_in_order_and_those_of_one_process(items):
    expected = [item * item for item in items]
    assert list(ordered_map(square, items, workers=1)) == expected
    assert list(ordered_map(square, items, workers=3)) == expected


def test_as_many_workers_as_asked_for_share_the_items():
    processes = list(ordered_map(process_id, range(9), workers=3))
    assert os.getpid() not in processes
    assert len(set(processes)) == 3
    assert processes[:3] * 3 == processes


@pytest.mark.parametrize("count, workers", [(9, 1), (1, 4), (2 * WORTH_A_WORKER - 1, None)])
def test_little_work_is_done_in_this_process(count, workers):
    assert set(ordered_map(process_id, range(count), workers)) == {os.getpid()}


@pytest.mark.parametrize("workers", [1, 2])
def test_an_exception_comes_when_its_item_is_due(workers):
    results = ordered_map(fail_at_5, range(9), workers)
    assert [next(results) for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(KeyError, match="five") as caught:
        next(results)
    assert workers == 1 or "in fail_at_5" in str(caught.value.__cause__)


def test_an_exception_that_cannot_be_pickled_is_told():
    with pytest.raises(RuntimeError, match="OneWayError: salt and pepper"):
        list(ordered_map(fail_unpicklably, range(9), workers=2))


def test_what_cannot_be_pickled_is_an_error():
    with pytest.raises(Exception, match=r"<locals>\.<lambda>"):
        list(ordered_map(closure, range(9), workers=2))
    with pytest.raises(Exception, match=r"<locals>\.<lambda>"):
        list(ordered_map(lambda item: item, range(9), workers=2))


def test_a_worker_that_dies_is_an_error_and_no_hang():
    results = ordered_map(die_at_5, range(9), workers=2)
    assert [next(results) for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(RuntimeError, match=r"died: Killed, often because memory ran out"):
        next(results)


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_an_item_that_ends_two_workers_is_lost_and_the_others_are_not(tmp_path, workers):
    function = functools.partial(leave_at_multiples_of_5, folder=tmp_path, times=2)
    results = list(ordered_map(function, range(11), workers, lambda item, how: (item, how)))
    assert results == [item if item % 5 else (item, "exit status 7") for item in range(11)]
    tries = {item: (tmp_path / str(item)).read_text().split() for item in range(11)}
    assert all(len(set(tries[item])) == (1 if item % 5 else 2) for item in tries)
    assert str(os.getpid()) not in {process for found in tries.values() for process in found}


@pytest.mark.parametrize("workers", [1, 2])
def test_an_item_that_ends_one_worker_is_tried_again(tmp_path, workers):
    function = functools.partial(leave_at_multiples_of_5, folder=tmp_path, times=1)
    assert list(ordered_map(function, range(11), workers, lambda *_: None)) == list(range(11))


def test_workers_that_cannot_start_are_an_error_and_no_loss():
    with pytest.raises(RuntimeError, match="did not start: exit status 7"):
        list(ordered_map(Stillborn(), range(9), 2, lambda *_: None))


def test_an_error_of_the_function_is_none_of_the_lost():
    with pytest.raises(KeyError, match="five"):
        list(ordered_map(fail_at_5, range(9), 2, lambda *_: None))


def test_a_worker_that_dies_within_a_message_is_an_error(tmp_path):
    results = ordered_map(functools.partial(mark, folder=tmp_path, size=1 << 20), range(9), workers=2)
    next(results), next(results)
    time.sleep(0.3)  # Now both are writing what no pipe holds.
    for worker in multiprocessing.active_children():
        worker.kill()
    with pytest.raises(RuntimeError, match="died: Killed"):
        list(results)


def test_workers_run_ahead_as_far_as_the_pipe_reaches(tmp_path):
    results = ordered_map(functools.partial(mark, folder=tmp_path, size=1 << 20), range(99), workers=2)
    next(results)
    time.sleep(0.5)
    assert len(list(tmp_path.iterdir())) <= 3  # What was read, and one more from each.
    results.close()


def test_closing_early_leaves_no_workers():
    results = ordered_map(square, range(10**6), workers=2)
    next(results)
    assert len(multiprocessing.active_children()) == 2
    results.close()
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_workers_end_with_their_parent(number):
    code = """if True:
        import functools
        from libml.system.workers import ordered_map
        from tests.libml.system.test_workers import process_id
        for result in ordered_map(functools.partial(process_id, seconds=0.05), range(10**6), workers=2):
            print(result, flush=True)
        """
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, start_new_session=True, **pipes)
    parent.stdout.readline(), parent.stdout.readline()  # Both workers are at work.
    if number == signal.SIGINT:
        os.killpg(parent.pid, number)  # As Ctrl-C does.
    else:
        parent.send_signal(number)
    _, errors = parent.communicate(timeout=10)  # Ends with the last of the processes that have stdout open.
    assert parent.returncode == -number
    assert errors.count("Traceback") == (number == signal.SIGINT)
