"""The programs are alike: one name for one thing, older names beside it, the same exit statuses."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT

PROGRAMS = [*ROOT.glob("*.py"), *ROOT.glob("scripts/*.py")]
NAMES = {  # older name: name
    "ckpt": "run",
    "folder": "input",
    "out": "output",
    "save_to": "output",
    "export_dir": "output",
    "json": "output",
}
OLDER = {
    "lag_generate_candidates": ("ckpt", "save_to"),
    "figures": ("ckpt", "save_to"),
    "export": ("ckpt", "export_dir"),
    "evaluate": ("out",),
    "create_datasets": ("folder",),
    "benchmark_step": ("json",),
    "benchmark_startup": ("json",),
}


def python(*words: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True)


def definitions(path: Path) -> list[tuple[str, list]]:
    """(kind, first arguments) of each flag that a file defines."""
    calls = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call) and n.args]
    named = [(ast.unparse(c.func), [getattr(a, "value", None) for a in c.args[:2]]) for c in calls]
    return [(name.partition("DEFINE_")[2], words) for name, words in named if "DEFINE_" in name]


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda p: p.stem)
def test_one_name_for_one_thing(path):
    found = definitions(path)
    assert not {words[0] for kind, words in found if kind != "alias"} & set(NAMES)
    aliases = {older: name for kind, (older, name) in found if kind == "alias"}
    assert aliases == {older: NAMES[older] for older in OLDER.get(path.stem, ())}


@pytest.mark.parametrize("program", OLDER)
def test_an_older_name_sets_the_same_value(program):
    read = (
        "import json, runpy, sys; from absl import flags; runpy.run_path(sys.argv[1]); flags.FLAGS(sys.argv[1:]);"
        "print(json.dumps([flags.FLAGS[name].value for name in ('run', 'input', 'output') if name in flags.FLAGS]))"
    )
    needed = ["--run=r"] if program == "evaluate" else []
    values = []
    for names in (OLDER[program], [NAMES[name] for name in OLDER[program]]):
        words = [f"--{name}=value{i}" for i, name in enumerate(names)]
        done = python("-c", read, f"scripts/{program}.py", *needed, *words)
        assert done.returncode == 0, done.stderr
        values.append(json.loads(done.stdout))
    assert values[0] == values[1] and "value0" in values[0]


@pytest.mark.parametrize(
    "main, status, said",
    [
        ("lambda: None", 0, ""),
        ("mistaken", 1, "error: no such thing\n"),
        ("lambda: os.kill(os.getpid(), signal.SIGINT)", 130, "interrupted: all is well\n"),
        ("lambda: os.kill(os.getpid(), signal.SIGTERM)", 143, "terminated: all is well\n"),
        ("importing", 143, "terminated\n"),
        ("deaf", 130, ""),
    ],
)
def test_exit_statuses(main, status, said):
    program = f"""
import os, signal, time
from libml import app, errors

def mistaken():
    raise errors.UserError("no such thing")

def importing():
    with app.importing():
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)

def deaf():
    try:
        os.kill(os.getpid(), signal.SIGINT)
    except KeyboardInterrupt:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(60)

app.run({main}, when_stopped="all is well")
"""
    done = python("-c", program)
    assert (done.returncode, done.stdout, done.stderr) == (status, "", said)
