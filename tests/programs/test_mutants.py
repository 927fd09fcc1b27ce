"""The table of faults fits the code, and its runner tells faults that are noticed from others."""

import ast
import subprocess

import pytest

from tests import mutants
from tests.support import browser

FAULTS = mutants.parse((mutants.ROOT / "tests" / "mutants.txt").read_text())
# These compute and store nothing of their own.
WITHOUT = {"libml/system/environment.py", "libml/datasets/toyfaces/face.py"}
PARTS = "libml/datasets/toyfaces/parts/"  # drawn one like another: some of them stand for all


def test_every_fault_can_be_planted():
    assert mutants.mistakes(FAULTS, mutants.ROOT) == []


def test_every_test_of_the_faults_is_there():
    """With its parameters, even where another fault names the test without."""
    named = {test for fault in FAULTS for test in fault.tests}
    if browser.MISSING:  # then these files are skipped before they say which tests they have
        named = {test for test in named if "browser.py::" not in test}
    status, output = mutants.run_tests(mutants.ROOT, sorted(named), 120, "--collect-only", "--keep-duplicates")
    assert status == 0, output


def test_every_module_has_faults():
    modules = {str(p.relative_to(mutants.ROOT)) for top in ("lag", "libml") for p in (mutants.ROOT / top).rglob("*.py")}
    empty = {name for name in modules if not ast.parse((mutants.ROOT / name).read_text()).body[1:]}  # but a docstring
    faulty = {fault.file for fault in FAULTS}
    assert modules >= WITHOUT and len(FAULTS) >= 40
    assert {name for name in modules - empty - WITHOUT - faulty if not name.startswith(PARTS)} == set()
    assert any(name.startswith(PARTS) for name in faulty)


@pytest.fixture
def project(tmp_path):
    """A project of one module and its tests, one of which hangs where the sum is lost."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "sums.py").write_text("def plus(a, b):\n    return a + b\n")
    (tmp_path / "tests" / "test_sums.py").write_text(
        "import sums\n\ndef test_plus():\n    assert sums.plus(2, 2) == 4\n\n"
        "def test_waits():\n    while sums.plus(2, 2) != 4:\n        pass\n"
    )
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    return tmp_path


def test_what_becomes_of_faults(project, capsys):
    head = "sums.py: {}\n- a + b\n+ {}\ntests/test_sums.py::{}"
    cases = [
        ("minus", "a - b", "test_plus", mutants.KILLED),
        ("product", "a * b", "test_plus", mutants.SURVIVED),  # 2 x 2 is 4, too
        ("no Python", "a +", "test_plus", mutants.BROKEN),
        ("no name", "a + c", "test_plus", mutants.BROKEN),
        ("no such test", "a - b", "test_plus[3]", mutants.BROKEN),
        ("waiting", "a - b", "test_waits", mutants.HUNG),
        ("waiting as said", "a - b", "test_waits\nmay hang", mutants.KILLED),
    ]
    faults = mutants.parse("\n\n".join(head.format(*case[:3]) for case in cases))
    assert mutants.mistakes(faults, project) == []
    assert mutants.run(faults, project, jobs=2, limit=3) == [case[3] for case in cases]
    said = capsys.readouterr().out
    assert "2 killed, 1 SURVIVED, 1 TIMED OUT, 3 NO VERDICT" in said
    assert (project / "sums.py").read_text() == "def plus(a, b):\n    return a + b\n"
    assert mutants.baseline(faults[:1], project)


def test_a_survivor_is_the_exit_status(project, monkeypatch, capsys):
    monkeypatch.setattr(mutants, "ROOT", project)
    (project / "tests" / "mutants.txt").write_text(
        "sums.py: product\n- a + b\n+ a * b\ntests/test_sums.py::test_plus\n\n"
        "sums.py: minus\n- a + b\n+ a - b\ntests/test_sums.py::test_plus\n"
    )
    assert mutants.main([]) == 1 and "SURVIVED" in capsys.readouterr().out
    assert mutants.main(["--only=minus"]) == 0
    assert mutants.main(["--list"]) == mutants.main(["--baseline"]) == 0
    assert mutants.main(["--only=quotient"]) == 1


def test_rows_that_fit_nothing_are_mistakes(project):
    faults = mutants.parse(
        "sums.py: gone\n- a * b\n+ a\ntests/test_sums.py::test_plus\n\n"
        "sums.py: twice\n- a\n+ b\ntests/test_sums.py::test_minus\n\n"
        "sums.py: twice\n- a + b\n+ a\ntests/test_sums.py::test_plus\n"
    )
    wrong = mutants.mistakes(faults, project)
    assert len(wrong) == 4 and "occurs 0 times" in wrong[0] and "there is no tests/test_sums.py::test_minus" in wrong[2]
    with pytest.raises(ValueError, match="no fault"):
        mutants.parse("sums.py: no tests\n- a + b\n+ a")
