"""Two logical CPUs, so that tests can train on two devices, and small data to train on."""

import os
import signal

from libml.system.environment import DEFAULTS

os.environ.update(DEFAULTS | os.environ | {"CUDA_VISIBLE_DEVICES": "-1"})

import pytest
import tensorflow as tf

from lag.config import LAGConfig
from tests.support.images import TINY, blobs, write_images

# A shell starts its background jobs with SIGINT ignored, and so would be the programs that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory):
    """A data folder with cifar10 (40 training and 10 test images)."""
    folder = tmp_path_factory.mktemp("data")
    write_images(folder / "cifar10-train.tfrecord", blobs(40))
    write_images(folder / "cifar10-test.tfrecord", blobs(10, seed=1))
    return folder


@pytest.fixture(scope="session")
def two_replicas():
    """The one strategy of all tests: two would number their collectives alike, and each number is held to one shape."""
    return tf.distribute.MirroredStrategy(["cpu:0", "cpu:1"])


@pytest.fixture
def tiny_config(tmp_path):
    """Builds the config of a tiny run on cifar10 in a folder of its own."""

    def make(**options) -> LAGConfig:
        defaults = {"dataset": "cifar10", "train_dir": str(tmp_path / "runs"), "save_kimg": 1, "report_kimg": 1}
        defaults |= {"training_kimg": 1, "transition_kimg": 1, "batch": 32}
        config = LAGConfig(**{**TINY, **defaults, **options})
        config.validate()
        return config

    return make
