"""What is measured of several workers."""

import numpy as np
import pytest
import tensorflow as tf

from lag.config import LAGConfig
from lag.performance import workers
from libml.datasets.catalogue import lookup
from libml.datasets.stream import Images
from libml.system.devices import Devices
from tests.support.images import TINY


def of(worker: int, count: int) -> Devices:
    return Devices(tf.distribute.get_strategy(), worker, count)


def test_workers_read_the_images_of_one_process_and_each_its_own_part(data_dir, monkeypatch):
    monkeypatch.setattr(workers, "FIRST_BATCHES", 2)
    monkeypatch.setattr(workers, "BATCHES", 8)
    images, config = Images(lookup("cifar10", data_dir), data_dir), LAGConfig(**TINY)
    one, a, b = (workers.reading(images, config, of(*place)) for place in ((0, 1), (0, 2), (1, 2)))
    in_turns = [image for i in range(0, 20, 2) for part in (a, b) for image in part["images"][i : i + 2]]
    assert in_turns == one["images"] and len(set(one["images"])) == 40
    assert (one["decoded"], a["decoded"], b["decoded"]) == (4, 2, 2)
    stored = (data_dir / "cifar10-train.tfrecord").stat().st_size / 40  # of an image
    for row in (one, a, b):
        assert row["read"] == pytest.approx(row["decoded"] * stored, rel=0.2)


def test_times_of_steps():
    """Steps of 3 s, 1 s apart, with 2 s of CPU each; after every fourth a stop of 10 s of CPU; the first two slow."""
    begun, cpu, watch = 0.0, 0.0, []
    for i in range(16):
        wait = 10 * (i % 4 == 0 and i > 0)
        begun, cpu = begun + 1 + wait, cpu + wait
        end = begun + (3 if i > 1 else 50)
        watch.append((begun, cpu, end))
        begun, cpu = end, cpu + 2
    assert workers.step_times(watch, 8, 4) == pytest.approx({"images/s": 2, "CPU s/image": 0.25, "stop": 10})


def test_a_worker_and_what_is_said_of_it(data_dir, tmp_path, monkeypatch):
    for name, value in {"FIRST_BATCHES": 1, "BATCHES": 2, "PASSED": 1, "MANY": 8}.items():
        monkeypatch.setattr(workers, name, value)
    options = {"progressive": False, "total_kimg": 2, "save_kimg": 1, "report_kimg": 1, "train_dir": str(tmp_path)}
    config = LAGConfig(**TINY | {"scale": 2, "batch": 64, "dataset": "cifar10"}, **options)
    row = workers.measure(config, of(0, 1), data_dir, tmp_path)
    assert row["looked at/CPU s"] > 0 and row["passed over/CPU s"] > 0
    assert (row["messages"], row["sent"]) == (0, 0)
    line = workers.compared([row], row, tmp_path)
    assert line["same images"] and line["same weights"] and line["gradients, error"] == line["losses, error"] == 0
    assert line["of it writing"] > 0 and line["CPU ms/image"] > 0 and line["others' stop, ms"] is None
    # A second worker, whose images and weights are others.
    first = np.load(tmp_path / "first-1-0.npz")
    np.savez(tmp_path / "first-2-0.npz", losses=2 * first["losses"], gradients=first["gradients"])
    for worker in (0, 1):
        np.save(tmp_path / f"last-2-{worker}.npy", np.array([worker]))
    other = {**row, "worker": 1, "stop": 2.0, "decoded": 70.0}
    line = workers.compared([row, other], row, tmp_path)
    assert not line["same images"] and not line["same weights"] and line["losses, error"] == 1
    assert line["others' stop, ms"] == 2000 and line["decoded a step"] == [row["decoded"], 70]


def test_what_passes_over_the_links():
    rows = [{"workers": n, "worker": 0, "summing, s": {"4000": 0.5}} for n in (2, 4)]
    assert [row["GB/s"] for row in workers.rings(rows)] == pytest.approx([2 * 4000 / 0.5e9, 6 * 4000 / 0.5e9])
