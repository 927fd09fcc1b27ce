"""Being asked to stop by SIGINT (Ctrl-C) or SIGTERM: one line, and exit status 128 + the signal's number, as in shells.

While a program starts it stops at once; at its work it unwinds, so that what is half done is put away; a training saves
itself first. A second signal always stops at once.
"""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator

from libml.system.ending import SIGNALS, end

SLOW_SECONDS = 2.0  # after which a program that cannot stop yet says so


class Interrupted(SystemExit):
    """The run was asked to stop, and saved itself."""


class Stopped(KeyboardInterrupt):
    """The program was asked to stop."""

    def __init__(self, number: int):
        """Args: of the signal."""
        super().__init__()
        self.number = number


@contextlib.contextmanager
def _handling(handle: Callable) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():  # which alone may handle signals
        yield
        return
    previous = {number: signal.signal(number, handle) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def at_once() -> Iterator[None]:
    """As ending.stop_at_once, for a while, even if the main thread waits in a library that lets no Python code run."""
    with _handling(end):
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        read, write = os.pipe()
        os.set_blocking(write, False)
        previous = signal.set_wakeup_fd(write)
        threading.Thread(target=_watch, args=(read,), daemon=True).start()
        try:
            yield
        finally:
            signal.set_wakeup_fd(previous)
            os.close(write)  # which ends the thread


def _watch(descriptor: int) -> None:
    number = os.read(descriptor, 1)
    os.close(descriptor)
    if number and number[0] in SIGNALS:
        end(number[0], None)


@contextlib.contextmanager
def _collecting(then: Callable[[int], object]) -> Iterator[list[int]]:
    """Collects signals in a list, and calls `then` with the first one; a second one stops at once."""
    received: list[int] = []

    def handle(number, _):
        received.append(number)
        if len(received) > 1:
            os._exit(128 + number)
        then(number)

    with _handling(handle):
        yield received


@contextlib.contextmanager
def stopping() -> Iterator[None]:
    """A signal raises Stopped, whatever error a library makes of it; a second one stops at once."""

    def stop(number):
        raise Stopped(number)

    with _collecting(stop) as received:
        try:
            yield
        except Exception as e:
            if received:
                raise Stopped(received[0]) from e
            raise


@contextlib.contextmanager
def interrupts(slow: str = "", seconds: float = SLOW_SECONDS) -> Iterator[list[int]]:
    """Collects SIGINT and SIGTERM in a list instead of stopping at once; a second one stops at once.

    Args:
        slow: what to say on stderr if the block goes on after a signal.
        seconds: for how long.
    """
    asked, ended = threading.Event(), threading.Event()

    def wait() -> None:
        asked.wait()
        if not ended.wait(seconds):
            print(f"\n{slow}", file=sys.stderr, flush=True)

    if slow:
        threading.Thread(target=wait, daemon=True).start()
    try:
        with _collecting(lambda number: asked.set()) as received:
            yield received
    finally:
        ended.set()
        asked.set()
