"""A function applied to many items by several processes, with the results in order."""

import contextlib
import multiprocessing
import pickle
import signal
import traceback
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from libml.system.cpu import available_cores

Item = TypeVar("Item")
Result = TypeVar("Result")

WORTH_A_WORKER = 32  # starting a process takes about as long as so many items of a few milliseconds each


def ordered_map(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    workers: int | None = None,
    lost: Callable[[Item, str], Result] | None = None,
) -> Iterator[Result]:
    """Yields function(item) for each item, in order, computed by worker processes.

    Each worker takes every n-th item and runs ahead only as far as its results fit in a pipe, so memory is bounded. The
    workers start when the first result is asked for. They end when the iterator is exhausted, closed, interrupted or
    raises, and when this process is gone.

    Args:
        function: a top-level function of an importable module, or a functools.partial of one. Each worker imports that
            module (and the main one) anew: quick if it does without TensorFlow.
        items: what to apply it to; anything with a length and slices. Items and results must be picklable.
        workers: how many processes; with 1, or one item, everything happens in this one. By default one for each
            available core, but none for few items.
        lost: outlives the death of workers, by a fault in native code or for want of memory. A new worker tries the
            item again; if that one dies of it, too, lost(item, how it died) takes the place of the result and the next
            worker goes on with the other items. Nothing happens in this process then, whatever `workers` says.

    Raises:
        Exception: whatever `function` raises, when that item's turn has come; a RuntimeError with the same text if it
            cannot be pickled.
        RuntimeError: if a worker dies without `lost`, or cannot start.
    """
    if workers is None:
        workers = min(available_cores(), len(items) // WORTH_A_WORKER)
    workers = min(max(workers, 1), len(items))
    if workers <= 1 and lost is None:
        for item in items:
            yield function(item)
        return
    running: list[_Worker] = []
    try:
        running.extend(_Worker(function, items[first::workers]) for first in range(workers))
        for index in range(len(items)):
            yield _next_result(running, function, items, index, lost)
    finally:
        for worker in running:
            worker.end()


class _DeadError(Exception):
    """A worker is gone; the text says how."""


class _Worker:
    """A process that works on its share of the items, and the pipe that its results come through."""

    def __init__(self, function: Callable, share: Sequence):
        context = multiprocessing.get_context("spawn")  # a fork would copy TensorFlow's locks, but not its threads
        self._results, far_end = context.Pipe(duplex=False)
        self._process = context.Process(target=_work, args=(function, share, far_end), daemon=True)
        with far_end:  # closed here once the worker has it, so that the pipe ends when the worker does
            self._process.start()
        self._started = False

    def receive(self) -> Any:
        """Its next result; raises what the function raised for it.

        Raises:
            _DeadError: if it died of that item.
            RuntimeError: if it died before its first.
        """
        try:
            if not self._started:
                self._results.recv_bytes()
                self._started = True
            outcome = self._results.recv_bytes()
        except (EOFError, OSError):  # the latter when the worker died within a message
            how = self._how_it_died()
            raise _DeadError(how) if self._started else RuntimeError(f"a worker process did not start: {how}") from None
        result, error, text = pickle.loads(outcome)
        if error is not None:
            raise error from RuntimeError(f"raised in a worker process:\n{text}")
        return result

    def _how_it_died(self) -> str:
        self._process.join(timeout=1)  # for the exit code, which may come after the end of the pipe
        code = self._process.exitcode
        if code is None or code >= 0:
            return f"exit status {code}"
        return f"{signal.strsignal(-code)}{', often because memory ran out' if code == -signal.SIGKILL else ''}"

    def end(self) -> None:
        """Stops it, whatever it does."""
        self._process.kill()
        self._process.join()
        self._results.close()


def _next_result(
    running: list[_Worker],
    function: Callable[[Item], Result],
    items: Sequence[Item],
    index: int,
    lost: Callable[[Item, str], Result] | None,
) -> Result:
    """The result for items[index]; puts new workers in the place of those that died of it."""
    place = index % len(running)
    for rest in (index, index + len(running)):  # what a new worker does: this item again, then only those after it
        try:
            return running[place].receive()
        except _DeadError as e:
            if lost is None:
                raise RuntimeError(f"a worker process died: {e}") from None
            how = str(e)
            running[place].end()
            running[place] = _Worker(function, items[rest :: len(running)])
    assert lost is not None
    return lost(items[index], how)


def _work(function: Callable, share: Sequence, results: Connection) -> None:
    """What a worker does: sends the outcome for each item, until one failed or nobody reads any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process; the parent decides what it ends
    with contextlib.suppress(BrokenPipeError):
        results.send_bytes(b"")  # it has started, with all that it imports
        for item in share:
            outcome, failed = _outcome(function, item)
            results.send_bytes(outcome)
            if failed:
                return


def _outcome(function: Callable, item: object) -> tuple[bytes, bool]:
    """(result, exception, its traceback) as a pickle, and whether there is an exception."""
    try:
        return pickle.dumps((function(item), None, "")), False
    except Exception as e:
        text = traceback.format_exc()
        try:
            failure = pickle.dumps((None, e, text))
            pickle.loads(failure)  # some exceptions can be pickled, but not unpickled
        except Exception:
            failure = pickle.dumps((None, RuntimeError(f"{type(e).__name__}: {e}"), text))
        return failure, True
