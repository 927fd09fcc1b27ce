"""Plants one fault at a time in a copy of the project and sees whether the tests that ought to notice it do.

    python -m tests.mutants [--only=TEXT] [--jobs=N] [--list] [--baseline]

The faults are in tests/mutants.txt: blocks of lines, apart by a blank one unless a merge has lost it. The first line is
the file and the fault's name, then follow the old text ("- ", found exactly once in the file), the new one ("+ ") and
the tests that ought to fail, a node id a line. A line "may hang" lets the time limit count as failing.
"""

import argparse
import concurrent.futures
import functools
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
LIMIT = 300  # seconds of a fault's tests
KILLED, SURVIVED, HUNG, BROKEN = "killed", "SURVIVED", "TIMED OUT", "NO VERDICT"


class Fault(NamedTuple):
    """One change of one file."""

    file: str
    name: str
    old: str
    new: str
    tests: tuple[str, ...]
    may_hang: bool

    def __str__(self) -> str:
        return f"{self.file}: {self.name}"


def parse(text: str) -> list[Fault]:
    """The faults of a table.

    Raises:
        ValueError: for a block that is none.
    """
    faults = []
    for block in re.split(r"\n\s*\n|\n(?=[\w/]+\.py: )", text.strip()):
        lines = [line for line in block.splitlines() if not line.startswith("#")]
        if not lines:
            continue
        file, _, name = lines[0].partition(": ")
        old, new = ("\n".join(line[2:] for line in lines[1:] if line[:1] == sign) for sign in "-+")
        tests = tuple(line for line in lines[1:] if line.startswith("tests/"))
        if not (file and name and old and tests) or old == new:
            raise ValueError(f"no fault:\n{block}")
        faults.append(Fault(file, name, old, new, tests, "may hang" in lines))
    return faults


def mistakes(faults: Sequence[Fault], root: Path) -> list[str]:
    """What is wrong with a table: text that is not there exactly once, tests that do not exist, names used twice."""
    found, names = [], set()
    text = functools.cache(lambda file: (root / file).read_text() if (root / file).is_file() else "")
    for fault in faults:
        count = text(fault.file).count(fault.old)
        if count != 1:
            found.append(f"{fault}: its old text occurs {count} times")
        for test in fault.tests:
            file, _, name = test.partition("::")
            if f"\ndef {name.partition('[')[0]}(" not in text(file):
                found.append(f"{fault}: there is no {test}")
        if str(fault) in names:
            found.append(f"{fault}: there are two of the name")
        names.add(str(fault))
    return found


def copy_tree(root: Path, to: Path) -> Path:
    """Copies what git knows, or would, of a project."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(command, cwd=root, check=True, capture_output=True).stdout.decode().split("\0"):
        if name and (root / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(root / name, to / name)
    return to


def run_tests(tree: Path, tests: Sequence[str], limit: float | None, *options: str) -> tuple[int | None, str]:
    """(pytest's exit status, None past the time limit; the end of its output)."""
    # Without bytecode: Python takes a file of the same size and second for the one that it has compiled.
    env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "300"}
    env.pop("PYTHONPATH", None)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, *tests]
    output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "errors": "replace"}
    with subprocess.Popen(command, cwd=tree, env=env, start_new_session=True, **output) as process:
        try:
            said, _ = process.communicate(timeout=limit)
        except BaseException as e:
            os.killpg(process.pid, signal.SIGKILL)  # with the programs that tests have started
            if isinstance(e, subprocess.TimeoutExpired):
                return None, ""
            raise
    return process.returncode, "\n".join(said.splitlines()[-15:])


def verdict(fault: Fault, tree: Path, limit: float = LIMIT) -> tuple[str, str]:
    """(what became of a fault in a copy, which is left as it was; the end of pytest's output)."""
    path = tree / fault.file
    before = path.read_text()
    try:
        path.write_text(before.replace(fault.old, fault.new))
        status, output = run_tests(tree, fault.tests, limit, "-x")
    finally:
        path.write_text(before)
    if status is None:
        return KILLED if fault.may_hang else HUNG, f"longer than {limit:g} s"
    # 1: tests failed. Others, as of a file that cannot be imported or a test that is not found, say nothing. Nor does
    # new text that is no sense at all.
    nonsense = status == 1 and re.match("NameError|SyntaxError|ImportError|ModuleNotFoundError", reason(output))
    return BROKEN if nonsense else {0: SURVIVED, 1: KILLED}.get(status, BROKEN), output


def reason(output: str) -> str:
    """Why the first test failed, in pytest's words."""
    return next(iter(re.findall(r"^(?:FAILED|ERROR) .*? - (.*)", output, re.MULTILINE)), "")


def run(faults: Sequence[Fault], root: Path, jobs: int = 1, limit: float = LIMIT) -> list[str]:
    """Prints a line for each fault and the counts; the verdicts, in the faults' order."""
    with tempfile.TemporaryDirectory(prefix="mutants-") as scratch:
        trees: queue.Queue[Path] = queue.Queue()
        for i in range(jobs):
            trees.put(copy_tree(root, Path(scratch) / str(i)))

        def judge(fault: Fault) -> str:
            tree, start = trees.get(), time.monotonic()
            try:
                found, output = verdict(fault, tree, limit)
            finally:
                trees.put(tree)
            took = f"{time.monotonic() - start:5.0f} s"
            print(f"{found:<10} {took}  {fault}  {reason(output)[:60]}".rstrip(), flush=True)
            if found in (HUNG, BROKEN):
                print(output, flush=True)
            return found

        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            verdicts = list(pool.map(judge, faults))
    print(", ".join(f"{verdicts.count(v)} {v}" for v in (KILLED, SURVIVED, HUNG, BROKEN) if v in verdicts))
    return verdicts


def baseline(faults: Sequence[Fault], root: Path) -> bool:
    """Whether all tests of the faults pass where there is no fault."""
    with tempfile.TemporaryDirectory(prefix="mutants-") as scratch:
        tests = dict.fromkeys(test for fault in faults for test in fault.tests)
        status, output = run_tests(copy_tree(root, Path(scratch)), list(tests), None)
    print(output)
    return status == 0


def main(arguments: Sequence[str] | None = None) -> int:
    """The program; its exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="those with this text in file, name or tests")
    parser.add_argument("--jobs", type=int, default=1, help="faults at a time")
    parser.add_argument("--list", action="store_true", help="print the faults and end")
    parser.add_argument("--baseline", action="store_true", help="run the tests where there is no fault")
    options = parser.parse_args(arguments)
    every = parse((ROOT / "tests" / "mutants.txt").read_text())
    faults = [f for f in every if options.only in "\n".join((str(f), *f.tests))]
    if wrong := mistakes(faults, ROOT):
        print("\n".join(wrong))
        return 1
    if not faults or options.list:
        print("\n".join(map(str, faults)) or f"no fault has {options.only!r}")
        return 0 if faults else 1
    if options.baseline:
        return 0 if baseline(faults, ROOT) else 1
    return 0 if set(run(faults, ROOT, options.jobs)) == {KILLED} else 1


if __name__ == "__main__":
    sys.exit(main())
