"""Training steps of tiny networks."""

import dataclasses
import functools

import numpy as np
import tensorflow as tf

from edsr import EDSR, EDSRConfig
from lag.config import LAGConfig
from lag.model.training import LAG
from libml.datasets.catalogue import lookup
from libml.datasets.stream import Images
from libml.layers.resample import average_downscale2d
from libml.training.schedule import Phase
from tests.support.images import TINY, blobs

FIRST, GROWING, LAST = Phase(0, 1024, 1, 1), Phase(1024, 2048, 1, 2), Phase(2048, 3072, 2, 2)


def make(strategy=None, plan=None, **options) -> LAG:
    return LAG(LAGConfig(**{**TINY, **options}), 3, strategy, plan=plan)


def batch(count=4, size=16):
    hires = tf.constant(blobs(count, size) / np.float32(127.5) - 1, tf.float32)
    return average_downscale2d(hires, 4), hires


def terms_of(model, data, phase=GROWING, nimg=1500, traced=False):
    """A step's terms, as training computes them if traced; without that they take a fifth of the time."""
    level = dataclasses.replace(phase.level(nimg), lod=tf.constant(phase.lod(nimg), tf.float32))
    step = tf.function(model.step_terms, autograph=False) if traced else model.step_terms
    return step(*data, model.draw(data[0], nimg), level)


@functools.cache
def _edsr(colors: int, size: int) -> EDSR:
    return EDSR(EDSRConfig(scale=4, filters=4, repeat=1, batch=4), colors, size)


def train_on(name: str, data_dir) -> tuple[int, ...]:
    """A training step on the first batch of a dataset; the batch's shape."""
    images = Images(lookup(name), data_dir)
    _, lores, hires = next(iter(images.batches(batch=4, scale=4, downscaler="average", seed=0)))
    model = _edsr(*reversed(hires.shape[2:]))
    before = model.generator.stem.kernel.numpy()
    model.train_step((lores, hires), model.schedule.phases[0], 0)
    after = model.generator.stem.kernel.numpy()
    assert np.isfinite(after).all() and not np.array_equal(before, after)
    return tuple(hires.shape)
