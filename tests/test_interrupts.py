"""Being asked to stop."""

import os
import signal

from libml.interrupts import interrupts


def test_signals_are_collected_and_then_the_callers_again():
    mine = []
    before = signal.signal(signal.SIGTERM, lambda number, _: mine.append(number))
    try:
        with interrupts() as received:
            os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert (received, mine) == ([signal.SIGTERM], [signal.SIGTERM])
