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


def test_an_import_that_ends_the_process_is_not_silent():
    done = start("-c", PROGRAM.format(code="os.abort()", quiet=True))
    assert done.returncode == -6 and "Fatal Python error: Aborted" in done.stderr


def test_a_program_starts_without_a_word_of_tensorflows():
    done = start("edsr.py", "--dataset=none", alone=True)
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and done.stderr.startswith("error: unknown dataset")
