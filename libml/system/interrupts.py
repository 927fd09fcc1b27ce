"""Being asked to stop: SIGINT and SIGTERM end a run after it has saved itself."""

import contextlib
import os
import signal
from collections.abc import Iterator


class Interrupted(SystemExit):
    """The run was asked to stop, and saved itself. Exit status 128 + signal number, as shells have it."""


@contextlib.contextmanager
def interrupts() -> Iterator[list[int]]:
    """Collects SIGINT and SIGTERM in a list instead of stopping at once; a second one stops at once."""
    received: list[int] = []

    def handle(number, _):
        received.append(number)
        if len(received) > 1:
            os._exit(128 + number)

    previous = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
