"""How long a run would take here: a few steps of its first phase are timed, the other phases follow by arithmetic."""

import dataclasses
import time
from collections.abc import Callable

import tensorflow as tf

from lag.config import LAGConfig
from lag.model import costs
from lag.model.training import LAG
from libml.layers.resample import DOWNSCALERS
from libml.system import hardware
from libml.system.devices import Devices
from libml.training.schedule import Phase

STEPS = 3  # that are timed, after one that is not
MOST_ON_CPU = 100e9  # operations of a timed step, or one image: a step of a large network would take minutes


def estimate_seconds(config: LAGConfig, colors: int, size: int, devices: Devices) -> float:
    """Seconds of a whole run's steps on these devices. Reading images, reports and checkpoints are not counted.

    Args:
        config: the run's parameters.
        colors: channels of the images.
        size: side of the HR images.
        devices: where it would train.
    """
    first, operations = config.schedule().phases[0], _operations(config, colors, size)
    batch = timed_batch(config.batch, operations(first), devices.strategy.num_replicas_in_sync)
    seconds = _step_seconds(dataclasses.replace(config, batch=batch), colors, size, devices, first) / batch
    return seconds * relative_length(config, colors, size)


def relative_length(config: LAGConfig, colors: int, size: int) -> float:
    """The run's length in images of its first phase, an image of another phase counting as its arithmetic does."""
    phases, operations = config.schedule().phases, _operations(config, colors, size)
    return sum((p.nimg_stop - p.nimg_start) * operations(p) for p in phases) / operations(phases[0])


def _operations(config: LAGConfig, colors: int, size: int) -> Callable[[Phase], int]:
    """From a phase to the operations of an image's step."""
    return lambda phase: costs.step_operations(config, colors, size, phase.lod_stop)


def timed_batch(batch: int, operations: int, replicas: int) -> int:
    """Images of a timed step: the run's on GPUs; on a CPU no more than are timed quickly, the same for each replica."""
    if hardware.on_gpus():
        return batch
    quickly = int(MOST_ON_CPU / operations) // replicas * replicas
    return min(batch, max(replicas, quickly))


def _step_seconds(config: LAGConfig, colors: int, size: int, devices: Devices, phase: Phase) -> float:
    model = LAG(config, colors, devices.strategy)
    hires = tf.random.stateless_uniform([config.batch, size, size, colors], [0, 0], -1.0, 1.0)
    images = (DOWNSCALERS[config.downscaler](hires, config.scale), hires)
    times = []
    for i in range(1 + STEPS):
        start = time.perf_counter()
        model.train_step(images, phase, i * config.batch)
        model.meters.steps.numpy()  # waits for the device
        times.append(time.perf_counter() - start)
    return min(times[1:])


def in_words(seconds: float) -> str:
    """'40 seconds', '12 minutes', '3.5 hours', '12 days': two figures of it."""
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            amount = seconds / length
            return f"{amount:.0f} {unit}" if amount >= 10 else f"{amount:.2g} {unit}"
    return f"{max(1, round(seconds))} seconds"
