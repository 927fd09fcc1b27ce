"""What every program does before its imports."""

import ast
import os
import platform
import subprocess
import sys

from libml.system import entry
from tests.support import ROOT

PROGRAMS = [*ROOT.glob("*.py"), *(path for path in ROOT.glob("scripts/*.py") if path.name != "startup_probe.py")]


def test_every_program_stops_with_one_line_before_its_imports(tmp_path):
    """Of modules that every program imports early there is one that sends SIGINT."""
    for name in ("absl", "contextlib", "dataclasses", "enum", "functools", "threading"):
        (tmp_path / f"{name}.py").write_text("import os\nos.kill(os.getpid(), 2)\nprint('later')\n")
    ends = {}
    for path in PROGRAMS:
        env = {**os.environ, "PYTHONPATH": str(tmp_path)}
        done = subprocess.run([sys.executable, path], env=env, capture_output=True, text=True)
        ends[path.name] = (done.returncode, done.stdout, done.stderr)
    assert len(ends) >= 15 and ends == dict.fromkeys(ends, (130, "", "interrupted\n"))


def test_a_missing_package_is_one_line():
    for name, package in (("lag.py", "absl"), ("scripts/upscale.py", "absl"), ("edsr.py", "tensorflow")):
        done = subprocess.run([sys.executable, "-S", ROOT / name], capture_output=True, text=True)  # no installed ones
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(f"error: the package {package} is missing in {sys.executable}: source .venv/bin/")
        assert done.stderr.count("\n") == 1


def test_a_package_that_is_half_installed_is_one_line(tmp_path):
    (tmp_path / "tensorflow").mkdir()
    (tmp_path / "tensorflow/__init__.py").write_text("import tensorflow.python\n")
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-S", ROOT / "edsr.py"], env=env, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith("error: the package tensorflow is not whole in ")
    assert ", tensorflow.python is missing: wait where it is being installed; else pip " in done.stderr


def test_an_old_python_is_one_line():
    """Programs reach it: their text, and what it imports, is that of Python 3.8, annotations included."""
    script = "import runpy, sys; sys.version_info = (3, 9, 18); runpy.run_path('lag.py', run_name='__main__')"
    done = subprocess.run([sys.executable, "-S", "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"error: {sys.executable} is Python 3.9, and LAG needs 3.11 to 3.13: source .venv/")
    assert done.stderr.count("\n") == 1
    early = [ROOT / "libml" / name for name in ("__init__.py", "system/__init__.py", "system/entry.py")]
    for path in (*PROGRAMS, *early, ROOT / "libml/system/ending.py"):
        ast.parse(path.read_text(), feature_version=(3, 8))
    assert all(isinstance(word, str) for word in entry._say.__annotations__.values())  # not evaluated


def test_other_errors_are_shown_whole():
    for code, said in (("1 / 0", "ZeroDivisionError"), ("import libml.nothing", "No module named 'libml.nothing'")):
        script = f"from libml.system import entry; entry.begin(); {code}"
        done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
        *trace, last = done.stderr.splitlines()
        assert done.returncode == 1 and "Traceback" in trace[0] and said in trace[-1]
        assert last.startswith("error: the program did not expect this: please report the lines above")
        assert f", Python {platform.python_version()}" in last
