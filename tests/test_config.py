"""Parameters that cannot be are refused by name, whatever the method."""

import dataclasses

import pytest

from cgan import CGANConfig
from edsr import EDSRConfig
from lag.config import LAGConfig
from libml.errors import UserError
from srgan import SRGANConfig
from srgan2 import SRGAN2Config

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
