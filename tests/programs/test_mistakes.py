"""What a user sees of a mistake: one line, whatever the words hold, and a status."""

import pytest

from tests.support.programs import mistake, start

PROGRAM = """
import sys
from absl import flags
from libml import app
from libml.errors import UserError
flags.DEFINE_integer("count", 0, "A number.")
flags.DEFINE_boolean("dry_run", False, "A choice.")
flags.DEFINE_string("first", None, "A text.", required=True)
flags.DEFINE_string("second", None, "Another.", required=True)
class ResourceExhaustedError(Exception):
    pass
def main():
    {code}
app.run(main)
"""
GOOD = ("--first=1", "--second=2")


def said(*words, code="pass") -> str:
    """The one line on stderr of a program that is refused."""
    done = start("-c", PROGRAM.format(code=code), *words)
    assert done.returncode == 1 and done.stderr.startswith("error: ") and not done.stdout, done
    assert done.stderr.count("\n") == 1 and done.stderr.endswith("\n")
    return done.stderr.removeprefix("error: ").strip()


def test_flags_that_cannot_be_read():
    assert "--count=x" in said(*GOOD, "--count=x") and "--help" in said(*GOOD, "--count=x")
    assert "'cuont'. Did you mean: count" in said(*GOOD, "--cuont=1")
    negated = "Unknown command line flag 'no-dry-run'; here it is --nodry_run; --help lists the flags"
    assert said(*GOOD, "--no-dry-run") == negated
    assert said(*GOOD, "--count=1.5") == "--count=1.5 must be a whole number; --help lists the flags"
    assert said() == "--first is missing; --second is missing; --help lists the flags"
    assert "nowhere" in said(*GOOD, "--flagfile=nowhere")
    assert len(said(*GOOD, f"--count={'9' * 5000}")) < 1100


def test_a_flagfile_that_is_no_text(tmp_path):
    (tmp_path / "flags").write_bytes(b"\xff\xfe")
    assert "flags" in said(*GOOD, f"--flagfile={tmp_path}/flags")


@pytest.mark.parametrize(
    "text, line",
    [
        (r"a\nb", r"a\nb"),
        (r"a\x1b[31mb", r"a\x1b[31mb"),
        (r"a\udcffb", r"a\udcffb"),
        ("é 💥", "é 💥"),
        ("", "UserError"),
    ],
)
def test_what_a_user_s_words_hold_stays_on_one_line(text, line):
    assert said(*GOOD, code=f"raise UserError('{text}')") == line


def test_a_long_line_keeps_its_beginning_and_its_advice():
    line = said(*GOOD, code="raise UserError('no ' + 'x' * 9000 + ': use another')")
    assert line.startswith("no xxx") and line.endswith("xxx: use another") and "..." in line and len(line) < 1100


def test_what_the_file_system_refuses_is_one_line():
    long = "x" * 300
    assert said(*GOOD, code=f"open('{long}')") == f"{long}: File name too long"
    assert said(*GOOD, code="raise BrokenPipeError(32, 'Broken pipe')") == "[Errno 32] Broken pipe"


def test_too_little_memory_is_one_line():
    assert "memory" in said(*GOOD, code="raise MemoryError")
    assert "memory" in said(*GOOD, code="b = bytes(1 << 62)")
    assert "shape[9,9]" in said(*GOOD, code="raise ResourceExhaustedError('OOM: shape[9,9]')")


def test_a_fault_of_the_program_keeps_its_traceback():
    done = start("-c", PROGRAM.format(code="{}['x']"), *GOOD)
    assert done.returncode == 1 and "Traceback" in done.stderr and "KeyError" in done.stderr


@pytest.mark.parametrize("error", ["ImportError", "UserError", "OSError"])
def test_a_stop_of_which_a_library_makes_an_error_is_a_stop(error):
    code = f"try: os.kill(os.getpid(), 2)\n    except BaseException: raise {error}('the import failed')"
    done = start("-c", "import os" + PROGRAM.format(code=code), *GOOD)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")


@pytest.mark.parametrize(
    "words, hint",
    [
        (("scripts/upscale.py", "--ckpt=r"), "Unknown command line flag 'ckpt'; here it is --model; --help"),
        (("scripts/export.py", "--model=r"), "here it is --run"),
        (("scripts/lag_generate_candidates.py", "--columns=3"), "here it is --ncand"),
        (("edsr.py", "--blocks=3"), "here it is --repeat"),
        (("lag.py", "--repeat=3"), "here it is --blocks"),
    ],
)
def test_a_flag_that_another_program_has_is_named(words, hint):
    assert hint in mistake(*words)
