"""Flags of a training program, in a process of its own: absl has one set of flags in each."""

import json

from lag.config import LAGConfig
from libml import app
from libml.training.run_folder import save_args
from tests.support import ROOT
from tests.support.programs import start

PROGRAM = """
import sys
sys.path.insert(0, {root!r})
from lag.config import LAGConfig
from libml import app
from libml.system import outputs
outputs.check_place = lambda flag, folder: print("--" + flag)
app.define_flags(LAGConfig)
app.define_run_flags()
def main():
    config, folder = app.config_and_folder(LAGConfig)
    print(config.seed, config.batch, config.blocks, folder)
    app.check_folder(folder)
app.run(main)
"""


def test_resuming_takes_the_runs_parameters_but_for_the_flags_given(tmp_path):
    script, run = tmp_path / "program.py", tmp_path / "run"
    script.write_text(PROGRAM.format(root=str(ROOT)))
    save_args(LAGConfig(seed=7, batch=32, blocks=3), run, colors=3)
    assert json.loads((run / "args" / "args.json").read_text())["seed"] == 7
    done = start(script, f"--resume={run}", "--batch=64")
    assert done.stdout.split() == ["7", "64", "3", str(run), "--resume"], done.stderr
    done = start(script, f"--resume={tmp_path}")
    assert done.stdout.startswith(f"--resume={tmp_path} is {run}\n7 "), done.stderr
    done = start(script, "--batch=64", f"--train_dir={tmp_path}")
    assert done.stdout.split()[:3] == ["0", "64", "8"] and "--train_dir\n" in done.stdout, done.stderr


def test_files_that_keras_has_fetched(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    assert app.fetched_by_keras("a.h5") == ""
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "a.h5").touch()
    assert app.fetched_by_keras("a.h5") == str(tmp_path / "models" / "a.h5")


def test_other_parameters_of_a_run_are_refused_before_anything_is_imported(tmp_path):
    folder = LAGConfig(name="mine", train_dir=str(tmp_path)).folder
    save_args(LAGConfig(name="mine", train_dir=str(tmp_path)), folder, colors=3)
    script = tmp_path / "program.py"
    script.write_text(PROGRAM.format(root=str(ROOT)) + "assert 'tensorflow' not in sys.modules")
    done = start(script, "--name=mine", "--seed=3", f"--train_dir={tmp_path}")
    assert done.returncode == 1 and "run with other parameters (seed was 0, now 3)" in done.stderr
    assert not start(script, "--name=mine", "--seed=3", f"--train_dir={tmp_path}", "--reset").returncode
