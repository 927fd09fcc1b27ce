"""What is measured on a machine: each function yields rows as it finds them, and stops when its seconds are over.

A row is a dict of what a table shows. Each function runs in a process of its own, before which TensorFlow has done
nothing.
"""

import functools
import os
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from lag.config import LAGConfig
from lag.model import costs
from lag.model.training import LAG
from lag.performance import benchmark
from lag.performance.machine.running import counts, enough
from lag.performance.sizes import SCALE, SIZES
from libml.datasets import toyfaces_records
from libml.datasets.catalogue import lookup
from libml.datasets.measuring import decoded_batches, rates
from libml.datasets.stream import Images, reading
from libml.system import cpu, hardware
from libml.system.devices import peak_memory
from libml.training.checkpoint import Checkpoints, restore
from libml.training.duration import timed_batch

Rows = Iterator[dict[str, Any]]

BATCH = 16
LEAST_SECONDS = 0.5  # that something is timed, however little time there is
FACES, TEST_FACES = 2048, 32  # that the training's dataset has
SIDES = {"S": 32, "M": 64, "L": 128}  # of the images that the input pipeline reads for each size
FEW_FACES = 256  # of the datasets that are only read, over and over


def config_of(size: str, batch: int, **options: Any) -> LAGConfig:
    """The parameters of a size."""
    return LAGConfig(scale=SCALE, batch=batch, **SIZES[size][1] | options)


def plan_of(size: str) -> costs.Plan:
    """How lag.py would compute steps of a size."""
    return costs.plan(config_of(size, BATCH), 3, SIZES[size][0])


def set_threads(size: str) -> None:
    """Gives an operation as many cores as lag.py would at a size. Before TensorFlow does anything else."""
    tf.config.threading.set_intra_op_parallelism_threads(plan_of(size).threads_per_op)


def replicas(count: int, most: int, seconds: float, work: Path) -> Rows:
    """The first step on `count` devices against that on one, and images/s with BATCH images a device.

    Args:
        count: of devices.
        most: devices that there are; each number of them that is measured shares the first step's batch evenly.
        seconds: to take.
        work: folder where the first step on one device is kept for the others.
    """
    size = "M" if hardware.on_gpus() else "S"
    side, lods = SIZES[size][0], config_of(size, 1).lods
    tf.config.experimental.enable_tensor_float_32_execution(False)
    shared = int(np.lcm.reduce([BATCH, *counts(most)]))
    config = config_of(size, shared)
    model = LAG(config, 3, benchmark.strategy_of(count), plan=costs.Plan(joined=hardware.on_gpus(), threads_per_op=0))
    benchmark.step_of(size, model, benchmark.noise_images(config, shared, side), lods, lods).call(0)
    found = first_step(model)
    row = {"devices": count, "size": size}
    if count == 1:
        np.savez(work / "one.npz", **found)
    elif (work / "one.npz").exists():
        with np.load(work / "one.npz") as one:
            yield row | {"batch": shared} | {f"{name}, error": distance(found[name], one[name]) for name in one.files}
    step = benchmark.step_of(size, model, benchmark.noise_images(config, BATCH * count, side), lods, lods)
    (speed,) = benchmark.speeds([step], max(LEAST_SECONDS, seconds / 2))
    yield row | {"batch": BATCH * count, "images/s": speed.median}


def first_step(model: LAG) -> dict[str, np.ndarray]:
    """After a model's first step: its losses, and all gradients up to a factor, from Adam's second moments."""
    moments = [np.sqrt(np.ravel(v)) for name, v in model.named_variables().items() if "velocity" in name]
    return {"losses": np.array([*model.meters.means().values()]), "gradients": np.concatenate(moments)}


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """|a - b| / |b| of two vectors."""
    return float(np.linalg.norm(a - b) / (np.linalg.norm(b) or 1))


def speed(size: str, seconds: float) -> Rows:
    """Training steps of a size in each precision, with recomputing and with XLA, beside what the device can do."""
    start, side = time.monotonic(), SIZES[size][0]
    kinds = [{"precision": precision} for precision in precisions()]
    kinds += [{"remat": True}] if size != "S" else []
    kinds += [{"jit_compile": True}] if size == "S" or hardware.on_gpus() else []
    peaks: dict[str, tuple[float, float]] = {}
    for i, options in enumerate(kinds):
        left = seconds - (time.monotonic() - start)
        if i and not enough(start, seconds, i):
            return
        each = max(LEAST_SECONDS, left / (len(kinds) - i) / 4)
        config = config_of(size, BATCH, **options)
        batch = timed_batch(BATCH, costs.step_operations(config, 3, side), 1)
        model = LAG(config, 3, benchmark.strategy_of(1), plan=plan_of(size))
        step = benchmark.step_of(size, model, benchmark.noise_images(config, batch, side), config.lods, config.lods)
        large = () if config.precision in peaks else (benchmark.convolution, benchmark.product)
        found, *best = benchmark.speeds([step], each, [kind(config.precision) for kind in large])
        if large:
            operations = [kind(config.precision).operations for kind in large]
            peaks[config.precision] = tuple(b.median * n for b, n in zip(best, operations, strict=True))
        convolution, product = peaks[config.precision]
        rate = found.median * step.operations
        how = {"precision": config.precision, "remat": config.remat, "XLA": config.jit_compile}
        shares = {"of convolution": rate / convolution, "of product": rate / product}
        rates_ = {"convolution, GFLOP/s": convolution / 1e9, "product, GFLOP/s": product / 1e9}
        memory = {"peak, GiB": max(peak_memory().values())}
        yield {"size": size, **how, "batch": batch, "images/s": found.median, **shares, **rates_, **memory}
        hardware.forget_peaks()


def precisions() -> list[str]:
    """The precisions that steps are timed in here, float32 first."""
    if hardware.on_gpus():
        return ["float32", "tf32", "bfloat16"]
    return ["float32", "bfloat16"] if cpu.has_bfloat16() else ["float32"]


def draw(data: Path, size: str) -> Images:
    """The toy faces of a size in a folder: those of the training at S, few at the others; drawn if they are not there.

    Raises:
        UserError: if the folder cannot be written.
    """
    side, count = SIDES[size], FACES if size == "S" else FEW_FACES
    if not (data / f"toyfaces{side}-train.tfrecord").exists():
        toyfaces_records.make(data, side, count, TEST_FACES)
    return Images(lookup(f"toyfaces{side}", data), data)


def drawing(data: Path) -> Rows:
    """Draws the training's faces, if they are not there; no rows."""
    draw(data, "S")
    return iter(())


def reading_speed(size: str, data: Path) -> Rows:
    """Images/s of the input pipeline, and of decoding alone, at a size's side."""
    start = time.monotonic()
    images = draw(data, size)
    drawn = time.monotonic() - start
    streams = {
        "pipeline": images.batches(batch=BATCH, scale=SCALE, downscaler="average", seed=0),
        "decoding": decoded_batches(images, BATCH),
    }
    found = {}
    for name, stream in streams.items():
        read = functools.partial(rates, reading(stream, images.locate_bad), BATCH)
        found[f"{name}, images/s"] = statistics.median(read(1024, 3))
    yield {"size": size, "side": SIDES[size], **found, "faces drawn, s": drawn}


def checkpoint(size: str, work: Path) -> Rows:
    """Seconds that a checkpoint of a size takes to be on the disk, and to be read."""
    model = LAG(config_of(size, BATCH), 3)
    whole, times = Checkpoints(work / f"tf-{size}", tf.train.Checkpoint(method=model)), []
    for nimg in range(2):  # the first makes what the second finds
        start = time.monotonic()
        path = whole.save(nimg)
        times.append(time.monotonic() - start)
    start = time.monotonic()
    restore(path, whole.checkpoint)
    read = time.monotonic() - start
    length = sum(os.path.getsize(file) for file in path.iterdir())
    yield {"size": size, "MB": length / 1e6, "saving, s": times[1], "reading, s": read}
