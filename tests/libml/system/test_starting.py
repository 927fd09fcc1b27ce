"""What is written to stderr while TensorFlow is imported."""

import pytest

from tests.support.programs import start

PROGRAM = """
import os, sys
from libml.errors import UserError
from libml.system import starting
try:
    with starting.quietly({quiet}):
        os.write(2, b"WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\\n")
        os.write(2, b"I0000 00:00:1795646086.872395   13292 port.cc:153] oneDNN custom operations are on.\\n")
        print("somebody else's line", file=sys.stderr)
        {code}
    os.write(2, b"I0000 00:00:1795646086.872395   13292 port.cc:153] later\\n")
except (ImportError, UserError) as e:
    print(repr(e), file=sys.stderr)
"""


@pytest.mark.parametrize(
    "code, quiet, lines",
    [
        ("pass", True, ["somebody else's line", "I0000"]),
        ("pass", False, ["WARNING", "I0000", "somebody else's line", "I0000"]),
        ("import libml.nothing", True, ["WARNING", "I0000", "somebody else's line", "ModuleNotFoundError"]),
        ("raise UserError('mistake')", True, ["somebody else's line", "UserError"]),
    ],
)
def test_the_first_lines_are_shown_only_if_the_import_fails(code, quiet, lines):
    done = start("-c", PROGRAM.format(code=code, quiet=quiet))
    assert done.returncode == 0
    said = done.stderr.splitlines()
    assert len(said) == len(lines) and all(a.startswith(b) for a, b in zip(said, lines, strict=True)), said


IN_A_PROCESS_OF_OTHERS = """
import os, signal, sys, threading, time, types
from libml.system import starting
os.environ.pop("TF_CPP_MIN_LOG_LEVEL", None)
mine = signal.getsignal(signal.SIGINT)
def line(text):
    os.write(2, text.encode() + b"\\n")
def again():
    with starting.quietly_for_others():
        time.sleep(0.1)
{before}
with starting.quietly_for_others():
    with starting.quietly():
        assert signal.getsignal(signal.SIGINT) is mine
    line("I0000 00:00:1795646086.872395   13292 port.cc:153] oneDNN custom operations are on.")
    line("To enable the following instructions: AVX2, rebuild TensorFlow")
    line("E0000 00:00:1795646086.872395   13292 cuda_platform.cc:52] failed call to cuInit: UNKNOWN ERROR (303)")
    line("E0000 00:00:1795646086.872395   13292 util.cc:131] oneDNN supports DT_HALF only on platforms with AVX-512.")
    line("E0000 00:00:1795646086.872395   13292 cuda_platform.cc:52] failed call to cuInit: CUDA_ERROR_INVALID")
    one = threading.Thread(target=line, args=("another thread's line",))
    one.start()
    one.join()
    {code}
line("I0000 00:00:1795646086.872395   13292 port.cc:153] later")
"""
HELD, SHOWN = ["E0000", "another thread's"], ["I0000", "To enable", *3 * ["E0000"], "another thread's"]
TWO = """
threads = [threading.Thread(target=again) for _ in "ab"]
for thread in threads:
    thread.start()
    time.sleep(0.05)
for thread in threads:
    thread.join()
"""


@pytest.mark.parametrize(
    "before, code, status, lines",
    [
        ("", "pass", 0, [*HELD, "I0000"]),
        (TWO, "pass", 0, [*HELD, "I0000"]),
        ("os.environ['TF_CPP_MIN_LOG_LEVEL'] = '0'", "pass", 0, [*SHOWN, "I0000"]),
        ("sys.modules['tensorflow'] = types.ModuleType('tensorflow')", "pass", 0, [*SHOWN, "I0000"]),
        ("", "raise KeyboardInterrupt", -2, [*SHOWN, "Traceback"]),
        ("line = print; os.close(2)", "pass", 0, []),
    ],
)
def test_in_a_process_of_others_nothing_else_changes(before, code, status, lines):
    done = start("-c", IN_A_PROCESS_OF_OTHERS.format(before=before, code=code))
    said = done.stderr.splitlines()
    assert done.returncode == status
    assert all(a.startswith(b) for a, b in zip(said, lines, strict=status == 0)), said


def test_an_import_that_ends_the_process_is_not_silent():
    done = start("-c", PROGRAM.format(code="os.abort()", quiet=True))
    assert done.returncode == -6 and "Fatal Python error: Aborted" in done.stderr


def test_a_program_starts_without_a_word_of_tensorflows():
    done = start("edsr.py", "--dataset=none", alone=True)
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and done.stderr.startswith("error: unknown dataset")
