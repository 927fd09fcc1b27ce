"""Being asked to stop."""

from tests.support.programs import start


def test_signals_are_collected_and_then_the_callers_again():
    script = """
import os, signal
from libml.system.interrupts import interrupts
mine = []
signal.signal(signal.SIGTERM, lambda number, _: mine.append(number))
with interrupts() as received:
    os.kill(os.getpid(), signal.SIGTERM)
os.kill(os.getpid(), signal.SIGTERM)
print(len(received), len(mine))
"""
    assert start("-c", script, timeout=30).stdout.split() == ["1", "1"]
