"""--recipe: a set of defaults."""

import dataclasses
import json

import pytest

from lag.config import RECIPES, LAGConfig
from libml.training.run_folder import RunFolder, from_args
from tests.support.images import blobs, write_images
from tests.support.programs import start

SMALL = ["--filters=4", "--filters_min=4", "--blocks=1", "--noise_dim=1", "--training_kimg=1", "--transition_kimg=1"]


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_s_values_are_valid_and_unlike_the_defaults(name):
    config = dataclasses.replace(LAGConfig(recipe=name), **RECIPES[name])
    config.validate()
    for flag, value in RECIPES[name].items():
        assert value != getattr(LAGConfig, flag)


def test_the_folder_is_named_after_the_recipe_and_what_differs_from_it():
    reference = dataclasses.replace(LAGConfig(), lr=RECIPES["posterior"]["lr"]).folder.name  # lr stands in every name
    config = dataclasses.replace(LAGConfig(recipe="posterior"), **RECIPES["posterior"])
    assert "recipe" not in reference and config.folder.name.replace("recipeposterior_", "") == reference
    other = dataclasses.replace(config, progressive=True, z_init=1.0)
    assert "_progressiveTrue_" in other.folder.name and "_z_init1.0" in other.folder.name
    assert len(other.folder.name) < 255


def test_a_recipe_is_recorded_flag_by_flag_and_goes_on(tmp_path):
    (tmp_path / "data").mkdir()
    write_images(tmp_path / "data" / "cifar10-train.tfrecord", blobs(8))
    write_images(tmp_path / "data" / "cifar10-test.tfrecord", blobs(4))
    words = ["lag.py", "--dataset=cifar10", f"--data_dir={tmp_path}/data", f"--train_dir={tmp_path}/runs", *SMALL]
    words += ["--recipe=posterior", "--total_kimg=1", "--batch=64", "--mse_weight=3", "--z_init=0.7", "--noexport"]
    done = start(*words)
    assert done.returncode == 0, done.stderr
    (run,) = (path.parent.parent for path in (tmp_path / "runs").rglob("args.json"))
    args = json.loads(RunFolder(run).args.read_text())
    expected = RECIPES["posterior"] | {"recipe": "posterior", "mse_weight": 3.0, "z_init": 0.7}
    assert {name: args[name] for name in expected} == expected
    assert from_args(LAGConfig, args).consistent
    args.pop("noise_shared")  # a run that began before the recipe had it goes on without it
    RunFolder(run).args.write_text(json.dumps(args))
    longer = [word.replace("--total_kimg=1", "--total_kimg=2") for word in words]
    again = start(*longer)
    assert again.returncode == 0, again.stderr
    assert json.loads(RunFolder(run).args.read_text())["noise_shared"] == 0
    refused = start(*longer, "--noise_shared=0.5")
    assert refused.returncode == 1 and "noise_shared was 0.0, now 0.5" in refused.stderr
    again = start("lag.py", f"--resume={run}", f"--data_dir={tmp_path}/data", "--total_kimg=3", "--noexport")
    assert again.returncode == 0, again.stderr
    assert json.loads(RunFolder(run).args.read_text())["z_init"] == 0.7
