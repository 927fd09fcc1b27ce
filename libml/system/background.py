"""Threads that work ahead of the caller, or behind it."""

import contextlib
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

DEPTH = 2  # items that may wait
POLL_SECONDS = 0.1  # how often a blocked producer checks whether the consumer has gone


@contextlib.contextmanager
def ahead(items: Iterable[Item]) -> Iterator[Iterator[Item]]:
    """The same items in the same order, each fetched while the caller is busy with those before.

    What the iterator raises is raised when its turn has come. The thread ends with the context.
    """
    waiting: queue.Queue = queue.Queue(DEPTH)
    left = threading.Event()

    def put(entry: tuple) -> bool:
        while not left.is_set():
            with contextlib.suppress(queue.Full):
                waiting.put(entry, timeout=POLL_SECONDS)
                return True
        return False

    def fetch() -> None:
        try:
            for item in items:
                if not put((item, None)):
                    return
            put((None, StopIteration()))
        except BaseException as e:  # the caller's to handle, whatever it is
            put((None, e))

    def taken() -> Iterator[Item]:
        while True:
            item, error = waiting.get()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield item

    thread = threading.Thread(target=fetch, name="ahead", daemon=True)
    thread.start()
    try:
        yield taken()
    finally:
        left.set()
        thread.join()


@contextlib.contextmanager
def each_ahead(function: Callable[[Item], Result], items: Iterable[Item], threads: int) -> Iterator[Iterator[Result]]:
    """function(item) of each item in their order, computed by threads while the caller is busy with those before.

    At most 2 * threads results wait. What `function` raises is raised when its turn has come. The threads end with the
    context.
    """
    waiting: deque[Future[Result]] = deque()

    def results() -> Iterator[Result]:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > 2 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    with ThreadPoolExecutor(threads, "each-ahead") as pool:
        try:
            yield results()
        finally:
            for future in waiting:
                future.cancel()


class Behind:
    """Jobs that threads do while the caller goes on, who hears of the end of each in their order.

    Jobs begin in the order in which they came: one may wait for an earlier one, which always ends. At the end of the
    context, jobs that have not begun are done, or if anything was raised end without being done. Once a job has raised,
    no end is told any more.
    """

    def __init__(self, threads: int, most: int):
        """Args: how many threads; how many bytes may wait, but for those of one job."""
        self._pool = ThreadPoolExecutor(threads, "behind")
        self._most, self._held, self._failed, self._leaving = most, 0, False, False
        self._jobs: deque[tuple[Future, int, Callable]] = deque()

    def put(self, job: Callable[[], Result], size: int, then: Callable[[Result], object]) -> "Future[Result]":
        """Takes a job; returns when all that wait need no more than `most` bytes, which may be when it is done.

        Args:
            job: to be done in a thread.
            size: in bytes, of what it keeps in memory.
            then: called by the caller's thread with what the job returned, after those of earlier jobs.

        Raises:
            BaseException: whatever an earlier job has raised.
        """
        future = self._pool.submit(self._do, job)
        self._jobs.append((future, size, then))
        self._held += size
        while self._jobs and (self._held > self._most or self._jobs[0][0].done()):
            self._tell()
        return future

    def _do(self, job: Callable[[], Result]) -> Result:
        if self._leaving:  # the pool's own way would leave who waits for a job that is cancelled waiting for ever
            raise CancelledError
        return job()

    def _tell(self) -> None:
        future, size, then = self._jobs[0]
        wait([future])  # a signal may end this: then the job has not been told
        self._jobs.popleft()
        self._held -= size
        self._failed = future.exception() is not None
        then(future.result())

    def __enter__(self) -> "Behind":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                while self._jobs:
                    self._tell()
        finally:
            self._leaving = True
            self._pool.shutdown()
            while self._jobs and not self._failed and self._jobs[0][0].exception() is None:
                self._tell()
