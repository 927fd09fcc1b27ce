"""Two logical CPUs, so that tests can train on two devices, and small data to train on."""

import gc
import os
import signal
import tempfile

from libml.system.environment import DEFAULTS

os.environ.update(DEFAULTS | os.environ | {"CUDA_VISIBLE_DEVICES": "-1"})

import pytest
import tensorflow as tf

from lag.config import LAGConfig
from libml.system import lease, stores
from tests.support import ROOT, browser
from tests.support.images import TINY, blobs, write_images
from tests.support.late_store import LateStore

# In this order, and before all others: no process has one of them left when the others are done.
LONGEST = [
    "libml/training/test_train.py",
    "programs/test_explore_browser.py",
    "lag/model/test_variants.py",
    "lag/evaluation/test_evaluate.py",
    "libml/compared/test_compared.py",
    "programs/test_cluster.py",
    "lag/model/test_precision.py",
    "libml/compared/test_cgan.py",
    "lag/model/test_parity.py",
    "lag/model/test_model.py",
    "lag/upscaling/test_upscale.py",
    "lag/formats/test_onnx.py",
    "programs/test_stress.py",
    "programs/test_programs.py",
    "lag/test_compared_methods.py",
]

# A shell starts its background jobs with SIGINT ignored, and so would be the programs that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)


def pytest_collection_finish():
    """Imports stay, and tracing makes many small objects: looking at them less often saves time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


def pytest_collection_modifyitems(items):
    places = {ROOT / "tests" / file: place for place, file in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


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


@pytest.fixture(scope="module")
def chromium():
    """A real browser, for tests that were not skipped because there is none."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = browser.launch(playwright)
        yield started
        started.close()


@pytest.fixture
def late_store(tmp_path, monkeypatch):
    """late://, a store whose listings come late; its leases outlast a test, and are held at once."""
    made = LateStore(tmp_path / "store")
    monkeypatch.setitem(stores._KNOWN, "late", made)
    monkeypatch.setattr(lease, "USUAL", lease.Terms(length=600.0, settle=0.0))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return made


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
