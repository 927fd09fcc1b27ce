"""Two logical CPUs, so that tests can train on two devices, and small data to train on."""

import os
import signal

from libml.environment import DEFAULTS

os.environ.update(DEFAULTS | os.environ | {"CUDA_VISIBLE_DEVICES": "-1"})

import numpy as np
import pytest
import tensorflow as tf

from lag.config import LAGConfig
from libml.datasets import records
from libml.images import encode_png

# A shell starts its background jobs with SIGINT ignored, and so would be the programs that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)

TINY = {"scale": 4, "batch": 4, "blocks": 1, "filters": 8, "filters_min": 4, "noise_dim": 2}


def blobs(count: int, size: int = 32, colors: int = 3, seed: int = 0) -> np.ndarray:
    """uint8 images [count, size, size, colors] of one soft blob each: small, distinct, with something to learn."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] / size
    center, radius = rng.uniform(0.3, 0.7, [count, 2, 1, 1]), rng.uniform(0.1, 0.3, [count, 1, 1])
    inside = np.exp(-((x - center[:, 0]) ** 2 + (y - center[:, 1]) ** 2) / radius**2)[..., None]
    front, back = rng.uniform(0, 255, [2, count, 1, 1, colors])
    return np.rint(back + (front - back) * inside).astype(np.uint8)


def write_images(path, images: np.ndarray) -> None:
    """Writes images as a TFRecord file of PNGs."""
    records.write(path, (records.example(encode_png(image), label=i) for i, image in enumerate(images)))


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
