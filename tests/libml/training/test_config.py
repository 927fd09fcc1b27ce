"""Parameters that cannot be are refused by name, whatever the method."""

import dataclasses
import json

import pytest

from cgan import CGANConfig
from edsr import EDSRConfig
from lag.config import LAGConfig
from libml.errors import UserError
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
        ("batch", 2**31),
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


@pytest.mark.parametrize("name, value", [("seed", 2**63 - 1), ("seed", -(2**63)), ("lr", 1), ("batch", 2**31 - 1)])
def test_parameters_at_the_ends_of_their_range(tmp_path, name, value):
    assert getattr(from_args(LAGConfig, changed_args(tmp_path, **{name: value})), name) == value


@pytest.mark.parametrize("flag", ["--filters=2147483648", "--seed=9223372036854775808", "--batch=99999999999999999999"])
def test_flags_too_large_to_count_with_are_refused(flag, tmp_path):
    assert flag in mistake("lag.py", flag, f"--train_dir={tmp_path}", f"--data_dir={tmp_path}")


@pytest.mark.parametrize("text", ["[" * 100_000, "\ufeff{}", "[]", "3", '"x"', "null"])
def test_args_that_are_no_parameters(tmp_path, text):
    save_args(LAGConfig(), tmp_path)
    (tmp_path / "args" / "args.json").write_text(text)
    with pytest.raises(UserError, match=r"cannot read .*args\.json"):
        load_args(tmp_path)
