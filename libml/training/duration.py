"""How long a run would take here: a few steps of its first phase are timed, the other phases follow by arithmetic."""

import time
from collections.abc import Callable, Sequence

import tensorflow as tf

from libml.datasets.catalogue import Dataset
from libml.layers.resample import DOWNSCALERS
from libml.system import hardware
from libml.training.config import RunConfig
from libml.training.loop import Method
from libml.training.schedule import Phase

STEPS = 3  # that are timed, after one that is not
MOST_ON_CPU = 100e9  # operations of a timed step, or one image: a step of a large network would take minutes


def estimate_seconds(
    method: Method, config: RunConfig, dataset: Dataset, operations: Callable[[Phase], float], replicas: int
) -> float:
    """Seconds of a whole run's steps on these devices. Reading images, reports and checkpoints are not counted.

    Args:
        method: it is trained on noise.
        config: the run's parameters.
        dataset: for the shape of its images.
        operations: from a phase to the operations of an image's step, or to more than them.
        replicas: devices that share a batch.
    """
    phases = method.schedule.phases
    batch = timed_batch(config.batch, operations(phases[0]), replicas * config.least_share)
    seconds = _step_seconds(method, config, dataset, batch) / batch
    return seconds * relative_length(phases, operations)


def relative_length(phases: Sequence[Phase], operations: Callable[[Phase], float]) -> float:
    """A run's length in images of its first phase, an image of another phase counting as its arithmetic does."""
    return sum((p.nimg_stop - p.nimg_start) * operations(p) for p in phases) / operations(phases[0])


def timed_batch(batch: int, operations: float, unit: int) -> int:
    """Images of a timed step: the run's on GPUs; on a CPU no more than are timed quickly, but a multiple of `unit`."""
    if hardware.on_gpus():
        return batch
    quickly = int(MOST_ON_CPU / operations) // unit * unit
    return min(batch, max(unit, quickly))


def _step_seconds(method: Method, config: RunConfig, dataset: Dataset, batch: int) -> float:
    shape = [batch, dataset.size, dataset.size, dataset.colors]
    hires = tf.random.stateless_uniform(shape, [0, 0], -1.0, 1.0)
    images = (DOWNSCALERS[config.downscaler](hires, config.scale), hires)
    if method.batches_per_step > 1:
        images = tuple(tf.stack([part] * method.batches_per_step) for part in images)
    phase, times = method.schedule.phases[0], []
    for i in range(1 + STEPS):
        start = time.perf_counter()
        method.train_step(images, phase, i * batch)
        method.meters.steps.numpy()  # waits for the device
        times.append(time.perf_counter() - start)
    return min(times[1:])


def in_words(seconds: float) -> str:
    """'40 seconds', '12 minutes', '3.5 hours', '12 days': two figures of it."""
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            amount = seconds / length
            return f"{amount:.0f} {unit}" if amount >= 10 else f"{amount:.2g} {unit}"
    return f"{max(1, round(seconds))} seconds"
