"""Parameters that cannot be are refused by name, whatever the method."""

import dataclasses
import json
import re

import pytest

from cgan import CGANConfig
from edsr import EDSRConfig
from lag.config import LAGConfig
from libml.errors import UserError
from libml.training.program import describe_parameters
from libml.training.run_folder import from_args, load_args, save_args
from srgan import SRGANConfig
from srgan2 import SRGAN2Config
from tests.support.programs import mistake

CONFIGS = (LAGConfig, CGANConfig, EDSRConfig, SRGANConfig, SRGAN2Config)
FLOATS = [(config, field.name) for config in CONFIGS for field in dataclasses.fields(config) if field.type is float]


@pytest.mark.parametrize("config, name", FLOATS, ids=lambda value: getattr(value, "method", value))
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_finite_number_is_refused(config, name, value):
    with pytest.raises(UserError, match=f"^--{name}={value} must be a finite number$"):
        config(**{name: value}).validate()


def test_only_what_differs_from_the_defaults_is_told():
    config = LAGConfig(noise_dim=16, lr=0.001, dataset="celeba128")
    assert config.changed() == {"dataset": ("celeba128", "toyfaces32"), "noise_dim": (16, 64)}
    assert describe_parameters(config).splitlines() == [
        "parameter  value      default",
        "dataset    celeba128  toyfaces32",
        "noise_dim  16         64",
    ]
    assert describe_parameters(EDSRConfig()) == "all parameters are the defaults"


def test_float_parameters_were_found():
    assert {("LAG", "lr"), ("LAG", "wass_target"), ("cGAN", "lr_decay"), ("SRGAN", "pcp_weight")} <= {
        (config.method, name) for config, name in FLOATS
    }


def changed_args(folder, **changes):
    """args.json of a run, with changes; without what is ...."""
    save_args(LAGConfig(), folder, colors=3)
    path = folder / "args" / "args.json"
    args = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({name: value for name, value in args.items() if value is not ...}))
    return load_args(folder)


@pytest.mark.parametrize(
    "name, value",
    [
        ("batch", "16"),
        ("batch", 16.0),
        ("batch", True),
        ("batch", None),
        ("lr", "x"),
        ("lr", False),
        ("lr", [0.1]),
        ("dataset", 3),
        ("progressive", 1),
        ("progressive", "true"),
        ("scale", 0),
        ("scale", 4096),
        ("blocks", 2000),
        ("filters", 10**6),
        ("batch", 2**16 + 1),
        ("total_kimg", 2**31),
        ("blocks", -1),
        ("total_kimg", 2**63),
        ("seed", 2**63),
        ("seed", -(2**63) - 1),
        ("lr", float("nan")),
        ("downscaler", "none"),
        ("precision", "int8"),
        ("dataset", ...),
        ("scale", ...),
    ],
)
def test_parameters_that_cannot_be_are_refused_by_name(tmp_path, name, value):
    args = changed_args(tmp_path, **{name: value})
    with pytest.raises(UserError, match=rf"args\.json.*{name}"):
        from_args(LAGConfig, args)


@pytest.mark.parametrize("name, value", [("seed", 2**63 - 1), ("seed", -(2**63)), ("lr", 1), ("batch", 2**16)])
def test_parameters_at_the_ends_of_their_range(tmp_path, name, value):
    config = from_args(LAGConfig, changed_args(tmp_path, **{name: value}))
    assert getattr(config, name) == value
    assert type(config.lr) is float  # Keras takes no other; JSON does


@pytest.mark.parametrize("flag", ["--filters=2147483648", "--seed=9223372036854775808", "--batch=99999999999999999999"])
def test_flags_too_large_to_count_with_are_refused(flag, tmp_path):
    assert flag in mistake("lag.py", flag, f"--train_dir={tmp_path}", f"--data_dir={tmp_path}")


@pytest.mark.parametrize("text", ["[" * 100_000, "\ufeff{}", "[]", "3", '"x"', "null"])
def test_args_that_are_no_parameters(tmp_path, text):
    save_args(LAGConfig(), tmp_path)
    (tmp_path / "args" / "args.json").write_text(text)
    with pytest.raises(UserError, match=r"cannot read .*args\.json"):
        load_args(tmp_path)


@pytest.mark.parametrize(
    "scale, transition, training, total, ways",
    [
        (8, 2048, 2048, 80, "8192 kimg: add --transition_kimg=16 --training_kimg=16 to .*schedule of 10240 kimg"),
        (8, 1024, 2048, 6143, "6144 kimg: add --transition_kimg=767 --training_kimg=1535 .*of 8192 kimg"),
        (8, 0, 2048, 10, "4096 kimg: add --transition_kimg=0 --training_kimg=3 .*of 6144 kimg"),
        (32, 100, 100, 8, "800 kimg: add --transition_kimg=1 --training_kimg=1 to .*of 900 kimg"),
        (32, 100, 100, 7, "800 kimg: use --transition_kimg=1 --training_kimg=1 and .*at least 8, .*of 900 kimg"),
    ],
)
def test_a_total_shorter_than_the_growth_is_refused_with_both_ways_out(scale, transition, training, total, ways):
    phases = {"scale": scale, "transition_kimg": transition, "training_kimg": training}
    with pytest.raises(UserError, match=f"^--total_kimg={total} does not .*growth, which takes {ways}"):
        LAGConfig(**phases, total_kimg=total).check_total()
    LAGConfig(**phases).check_total()
    if found := re.search(r"add --transition_kimg=(\d+) --training_kimg=(\d+)", ways):
        pasted = {"transition_kimg": int(found[1]), "training_kimg": int(found[2])}
        config = LAGConfig(**phases | pasted, total_kimg=total)
        config.check_total()
        assert config.schedule().total == total * 1024


def test_a_total_at_the_growth_and_one_without_growth_are_taken():
    LAGConfig(scale=8, training_kimg=2, transition_kimg=3, total_kimg=10).check_total()
    LAGConfig(scale=2, training_kimg=2048, total_kimg=1).check_total()
    EDSRConfig(total_kimg=1).check_total()


def test_a_folder_that_cannot_be_written_is_said_before_anything_else(tmp_path):
    (tmp_path / "file").touch()
    for name in ("lag.py", "edsr.py"):
        said = mistake(name, "--dataset=cifar10", f"--train_dir={tmp_path}/file")
        assert said.startswith(f"error: --train_dir: {tmp_path}/file is in the way")


def test_a_run_that_has_begun_keeps_its_phases():
    with pytest.raises(UserError, match=r"4096 kimg: use --total_kimg=4096, .* or --total_kimg=0 .* of 6144 kimg"):
        LAGConfig(scale=4, total_kimg=80).check_total(begun=True)


def test_lag_py_refuses_a_total_that_it_would_not_obey_and_goes_on_with_older_runs_that_have_one(tmp_path):
    where = (f"--train_dir={tmp_path}", f"--data_dir={tmp_path}")
    assert "growth, which takes 4096 kimg" in mistake("lag.py", "--dataset=cifar10", "--total_kimg=80", *where)
    save_args(LAGConfig(scale=4, total_kimg=80, dataset="cifar10"), tmp_path / "run", colors=3)
    resume = ("lag.py", f"--resume={tmp_path}/run", *where)
    assert "use --total_kimg=4096" in mistake(*resume, "--total_kimg=90")
    assert "no train files of cifar10" in mistake(*resume)
