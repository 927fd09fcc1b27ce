"""The fuzzer: its judge sees what is wrong, and a short run of every kind of bad input finds nothing."""

import pytest

from tests.fuzz import Fuzzer, describe
from tests.fuzzing.judge import faults
from tests.fuzzing.kinds import KINDS
from tests.fuzzing.runner import Runner
from tests.fuzzing.snapshot import snapshot
from tests.fuzzing.trial import Trial

NUMBERS = {"flags": (1, 2, 3)}  # of the trials of a kind; by default the first
RIGHT = "print('error: no such picture: name another', file=sys.stderr); sys.exit(1)"


@pytest.fixture(scope="module")
def bare():
    """A runner that imports nothing beforehand."""
    with Runner(modules=()) as runner:
        yield runner


@pytest.fixture(scope="module")
def impatient():
    """One that does not wait long either."""
    with Runner(modules=(), patience=0.02) as runner:
        yield runner


def judged(runner, folder, code, fresh=False, **permissions):
    """What the judge says of a program of a few lines, run beside a file that is not its own."""
    (folder / "box").mkdir()
    (folder / "box" / "kept.txt").write_text("kept")
    (folder / "program.py").write_text(f"import os, signal, sys, time\n{code}\n")
    before = snapshot(folder / "box")
    trial = Trial(str(folder / "program.py"), (), **permissions)
    outcome = runner.run(trial, folder / "box", fresh)
    return faults(trial, outcome, before, snapshot(folder / "box"))


@pytest.mark.parametrize("fresh", [False, True])
@pytest.mark.parametrize("code", ["", RIGHT, "print('FATAL Flags parsing error: x', file=sys.stderr); sys.exit(1)"])
def test_right_outcomes(bare, tmp_path, code, fresh):
    assert judged(bare, tmp_path, code, fresh) == []


@pytest.mark.parametrize(
    "code, said",
    [
        ("{}['x']", "said 'Traceback"),
        ("import traceback\ntry:\n {}['x']\nexcept KeyError:\n traceback.print_exc()", "said 'Traceback"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "ended by SIGSEGV"),
        ("os.abort()", "ended by SIGABRT"),
        ("sys.exit(1)", "0 lines"),
        (f"print('error: another', file=sys.stderr); {RIGHT}", "2 lines"),
        ("sys.exit(3)", "no line that says which file"),
        ("print('error: ', file=sys.stderr); sys.exit(1)", "says nothing"),
        ("print('error: ' + 3000 * 'x', file=sys.stderr); sys.exit(1)", "3000 characters"),
        ("sys.exit(7)", "status 7"),
        ("os.remove('kept.txt')", "kept.txt is gone"),
        ("os.rename('kept.txt', 'moved.txt')", "kept.txt is gone"),
        ("open('kept.txt', 'a').write('x')", "kept.txt is changed"),
        ("os.remove('kept.txt'); os.symlink('/dev/null', 'kept.txt')", "kept.txt is changed"),
        ("open('new.txt', 'w')", "new.txt is new"),
    ],
)
def test_wrong_outcomes(bare, tmp_path, code, said):
    assert said in "; ".join(judged(bare, tmp_path, code))


@pytest.mark.parametrize(
    "code, said", [("{}['x']", "Traceback"), ("os.abort()", "SIGABRT"), ("sys.exit(1)", "0 lines")]
)
def test_wrong_outcomes_of_a_process_of_its_own(bare, tmp_path, code, said):
    assert said in "; ".join(judged(bare, tmp_path, code, fresh=True))


@pytest.mark.parametrize("code", ["time.sleep(60)", "while True: pass"])
def test_a_hang(impatient, tmp_path, code):
    assert "did not end" in "; ".join(judged(impatient, tmp_path, code))


def test_what_a_program_may_do_is_no_loss(bare, tmp_path):
    code = "open('kept.txt', 'a').write('x'); open('new.txt', 'w')"
    assert judged(bare, tmp_path, code, may_change=("kept*",), may_add=("new*",)) == []


@pytest.mark.parametrize(
    "code, said",
    [
        ("os.rename('kept.txt', 'moved.txt')", ""),
        ("os.remove('kept.txt')", "kept.txt is gone"),
        ("os.mkdir('.new.tmp1')", "left over"),
    ],
)
def test_what_may_be_moved_must_still_be_there(bare, tmp_path, code, said):
    found = judged(bare, tmp_path, code, may_move=("kept.txt",), may_add=("moved.txt", ".new*"))
    assert said in "; ".join(found) and bool(said) == bool(found)


def test_a_program_that_goes_on_for_long_may_be_stopped(bare, tmp_path):
    code = "signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))\ntime.sleep(60)"
    assert judged(bare, tmp_path, code, stop_after=0.3) == []


@pytest.fixture(scope="module")
def fuzzer():
    with Runner(patience=3) as runner:
        yield Fuzzer(runner)


@pytest.mark.parametrize("kind", KINDS)
def test_bad_input_is_refused_in_one_line_and_loses_nothing(fuzzer, kind):
    for number in NUMBERS.get(kind, (0,)):
        result = fuzzer.run(kind, seed=1, number=number)
        assert not result.faults, describe(result)


def test_a_trial_is_a_function_of_its_seed_kind_and_number(fuzzer, tmp_path):
    for kind in KINDS:
        made = []
        for place, number in (("a", 0), ("b", 0), ("c", 1)):
            box = tmp_path / kind / place
            box.mkdir(parents=True)
            made.append((fuzzer.prepare(kind, 5, number, box), snapshot(box)))
        assert made[0] == made[1] != made[2]
