"""A run with random weights, and its generator as upscaling takes it: one of each for a module's tests."""

import pytest

from lag.formats.registry import load_model
from tests.support.untrained import untrained_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return untrained_run(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def model(run):
    return load_model(run)
