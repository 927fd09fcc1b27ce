"""A function applied to many items by several processes, with the results in order."""

import contextlib
import multiprocessing
import os
import pickle
import signal
import traceback
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

WORTH_A_WORKER = 32  # starting a process takes about as long as so many items of a few milliseconds each


def ordered_map(
    function: Callable[[Item], Result], items: Sequence[Item], workers: int | None = None
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

    Raises:
        Exception: whatever `function` raises, when that item's turn has come; a RuntimeError with the same text if it
            cannot be pickled.
        RuntimeError: if a worker dies.
    """
    if workers is None:
        workers = min(available_cores(), len(items) // WORTH_A_WORKER)
    workers = min(workers, len(items))
    if workers <= 1:
        for item in items:
            yield function(item)
        return
    with contextlib.ExitStack() as stack:
        running = [stack.enter_context(_worker(function, items[first::workers])) for first in range(workers)]
        for index in range(len(items)):
            yield _receive(*running[index % workers])


def available_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def _worker(function: Callable, share: Sequence) -> Iterator[tuple[BaseProcess, Connection]]:
    """A process that works on its share of the items, and the pipe that its results come through."""
    context = multiprocessing.get_context("spawn")  # a fork would copy TensorFlow's locks, but not its threads
    results, far_end = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(function, share, far_end), daemon=True)
    with results:
        with far_end:  # closed here once the worker has it, so that the pipe ends when the worker does
            process.start()
        try:
            yield process, results
        finally:
            process.kill()
            process.join()


def _work(function: Callable, share: Sequence, results: Connection) -> None:
    """What a worker does: sends the outcome for each item, until one failed or nobody reads any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process; the parent decides what it ends
    for item in share:
        outcome, failed = _outcome(function, item)
        try:
            results.send_bytes(outcome)
        except BrokenPipeError:
            return
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


def _receive(process: BaseProcess, results: Connection) -> object:
    """A worker's next result; raises what the function raised for it."""
    try:
        outcome = results.recv_bytes()
    except (EOFError, OSError):  # the latter when the worker died within a message
        process.join(timeout=1)  # for the exit code, which may come after the end of the pipe
        raise RuntimeError(
            f"a worker process died (exit code {process.exitcode}; -9 means killed, often because memory ran out)"
        ) from None
    result, error, text = pickle.loads(outcome)
    if error is not None:
        raise error from RuntimeError(f"raised in a worker process:\n{text}")
    return result
