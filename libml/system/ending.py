"""Ending the process at once where a signal asks for it, with one line and status 128 + the signal's number.

It imports nothing that takes time: until stop_at_once is called, Ctrl-C is a traceback.
"""

import _signal  # what Python's module signal, which imports others, is made of
import _thread
import os

SIGNALS = (_signal.SIGINT, _signal.SIGTERM)
_WORDS = {_signal.SIGINT: "interrupted", _signal.SIGTERM: "terminated"}
_stderr = [2]  # where it is said
_ending = _thread.allocate_lock()  # who has it ends the process; it is never given back


def line(number: int, more: str = "") -> str:
    """What a program says when it was stopped by a signal."""
    return _WORDS[number] + (f": {more}" if more else "")


def say_on(descriptor: int) -> None:
    """Names the file descriptor of stderr, where it is not the usual one."""
    _stderr[0] = descriptor


def end(number: int, _frame: object) -> None:
    """Handles a signal."""
    if not _ending.acquire(blocking=False):  # the signal's handler and a thread that watches may both come here
        return
    os.write(_stderr[0], f"{line(number)}\n".encode())
    os._exit(128 + number)


def stop_at_once() -> None:
    """From now on a signal ends the process with one line."""
    for number in SIGNALS:
        _signal.signal(number, end)
