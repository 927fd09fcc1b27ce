"""One at a time: the model works for one request, a few others wait, more are told to come back."""

import contextlib
import threading
from collections.abc import Iterator

MOST_WAITING = 8


class BusyError(Exception):
    """Too many wait already."""


class Turns:
    """A lock with a short queue before it."""

    def __init__(self, most_waiting: int = MOST_WAITING):
        """Args: how many may wait."""
        self._most, self._here = most_waiting + 1, 0
        self._count, self._lock = threading.Lock(), threading.Lock()

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Waits for the lock and holds it.

        Raises:
            BusyError: at once, if too many wait.
        """
        with self._count:
            if self._here >= self._most:
                raise BusyError("the model has too much to do: ask again in a second")
            self._here += 1
        try:
            with self._lock:
                yield
        finally:
            with self._count:
                self._here -= 1

    def finish(self, seconds: float) -> bool:
        """Waits until nobody holds the lock, so long at most; then nobody will."""
        return self._lock.acquire(timeout=seconds)
