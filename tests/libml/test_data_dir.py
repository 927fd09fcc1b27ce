"""A run remembers its data folder, and the programs after it look there; nothing is drawn that nobody asked for."""

import json

import pytest
from absl import flags

from edsr import EDSRConfig
from lag.config import LAGConfig
from lag.figures.inputs import load_test_images
from libml import app
from libml.datasets.catalogue import lookup
from libml.datasets.finding import has_test_images
from libml.datasets.making import asked
from libml.errors import UserError
from libml.training.run_folder import load_args, save_args
from tests.support.programs import mistake, start


@pytest.fixture
def flag():
    """The flag --data_dir of a program, as if it were not given."""
    made = flags.FlagValues()
    flags.DEFINE_string("data_dir", "default", "", flag_values=made)
    made.mark_as_parsed()
    return made


@pytest.fixture
def run(tmp_path, flag, monkeypatch):
    monkeypatch.setattr(app.flags, "FLAGS", flag)
    (tmp_path / "data").mkdir()
    save_args(LAGConfig(dataset="cifar10"), tmp_path / "run", colors=3, data_dir=str(tmp_path / "data"))
    return tmp_path / "run"


def test_a_remembered_folder_is_used_unless_another_is_given(run, flag, tmp_path):
    assert app.data_dir_of(run) == str(tmp_path / "data")
    flag["data_dir"].parse("mine")
    flag["data_dir"].present = 1
    assert app.data_dir_of(run) == "mine"


@pytest.mark.parametrize("variable, meant", [(None, "data"), ("", "data"), ("/mine", "/mine")])
def test_the_default_folder(monkeypatch, variable, meant):
    if variable is None:
        monkeypatch.delenv("ML_DATA", raising=False)
    else:
        monkeypatch.setenv("ML_DATA", variable)
    assert app.default_data_dir() == meant


@pytest.mark.parametrize("remembered", [None, "", 3, ["x"]])
def test_older_runs_keep_the_default(run, remembered):
    path = run / "args" / "args.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"data_dir": remembered}))
    assert app.data_dir_of(run) == "default"


def test_a_remembered_folder_that_is_gone_is_said(run, tmp_path, capsys):
    (tmp_path / "data").rmdir()
    assert app.data_dir_of(run) == "default"
    assert f"{tmp_path}/data is not there: looking in default" in capsys.readouterr().err


def test_another_dataset_may_lie_in_the_default_folder(run, flag, data_dir, tmp_path):
    assert app.data_dir_of(run, "cifar10") == str(tmp_path / "data")  # neither has it
    flag["data_dir"].default = flag["data_dir"].value = str(data_dir)
    assert app.data_dir_of(run, "cifar10") == str(data_dir)
    assert app.data_dir_of(run) == str(tmp_path / "data")


def test_training_remembers_and_goes_on_there(data_dir, tmp_path):
    small = ("edsr.py", "--dataset=cifar10", "--filters=4", "--repeat=1", "--batch=512", f"--train_dir={tmp_path}")
    done = start(*small, "--total_kimg=1", f"--data_dir={data_dir}")
    assert done.returncode == 0, done.stderr
    folder = EDSRConfig(dataset="cifar10", filters=4, repeat=1, batch=512, total_kimg=1, train_dir=str(tmp_path)).folder
    assert load_args(folder)["data_dir"] == str(data_dir)
    assert "is complete" in start(*small, "--total_kimg=1").stdout
    make = ("scripts/lag_generate_candidates.py", f"--run={folder}", f"--output={tmp_path}/c.png", "--samples=0")
    assert start(*make).stdout.startswith("wrote ")


def test_no_toy_faces_are_drawn_to_be_looked_at(tmp_path):
    with pytest.raises(UserError, match=r"toyfaces32-test.*create_datasets\.py toyfaces32$"):
        load_test_images("toyfaces32", str(tmp_path), [0], LAGConfig(), 3)
    assert not list(tmp_path.iterdir()) and not has_test_images("toyfaces32", tmp_path)


def test_toy_faces_are_made_by_name(tmp_path, monkeypatch):
    assert asked.expand(["toyfaces32", "cifar10"]) == ["toyfaces32", "cifar10"]
    assert "leave out --overwrite" in mistake(
        "scripts/create_datasets.py", "toyfaces32", "--overwrite", f"--data_dir={tmp_path}"
    )


def test_capitals_are_a_near_name():
    with pytest.raises(UserError, match="did you mean toyfaces32"):
        lookup("TOYFACES32")


def test_a_dataset_that_is_elsewhere_is_not_taken_for_a_mistyped_one(tmp_path):
    with pytest.raises(UserError, match=f"unknown dataset 'pets32'.*{tmp_path} has none of your own, --data_dir names"):
        lookup("pets32", tmp_path)
