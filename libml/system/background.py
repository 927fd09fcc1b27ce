"""An iterator that works ahead in a thread."""

import contextlib
import queue
import threading
from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")

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
