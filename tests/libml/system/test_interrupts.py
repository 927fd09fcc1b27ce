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


def test_a_program_that_cannot_stop_yet_says_so():
    script = """
import os, signal, time
from libml.system.interrupts import interrupts
with interrupts("never", seconds=0.01):
    time.sleep(0.05)
for seconds in (60, 0.05):
    with interrupts(f"after {seconds}", seconds):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.01 if seconds == 60 else 0.5)
"""
    done = start("-c", script, timeout=30)
    assert (done.returncode, done.stderr) == (0, "\nafter 0.05\n")


def test_a_library_that_waits_does_not_keep_a_program_from_stopping():
    script = """
import ctypes, os, signal, threading
from libml.system import interrupts
with interrupts.at_once():
    threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGTERM)).start()
    libc = ctypes.CDLL(None)
    mutex = ctypes.create_string_buffer(64)
    libc.pthread_mutex_lock(mutex)
    libc.pthread_mutex_lock(mutex)  # for ever, whatever signal comes
"""
    done = start("-c", script, timeout=20)
    assert (done.returncode, done.stderr) == (143, "terminated\n")


def test_after_a_while_signals_are_the_callers_again():
    script = """
import os, signal, time
from libml.system import interrupts
mine = []
signal.signal(signal.SIGTERM, lambda number, _: mine.append(number))
for _ in range(3):
    with interrupts.at_once():
        pass
os.kill(os.getpid(), signal.SIGTERM)
time.sleep(0.1)
print(len(mine))
"""
    assert start("-c", script, timeout=30).stdout == "1\n"
