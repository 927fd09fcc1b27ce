"""Training steps of tiny networks."""

import dataclasses

import numpy as np
import tensorflow as tf

from lag.config import LAGConfig
from lag.model.training import LAG
from libml.layers.resample import average_downscale2d
from libml.training.schedule import Phase
from tests.support.images import TINY, blobs

FIRST, GROWING, LAST = Phase(0, 1024, 1, 1), Phase(1024, 2048, 1, 2), Phase(2048, 3072, 2, 2)


def make(strategy=None, plan=None, **options) -> LAG:
    return LAG(LAGConfig(**{**TINY, **options}), 3, strategy, plan=plan)


def batch(count=4, size=16):
    hires = tf.constant(blobs(count, size) / np.float32(127.5) - 1, tf.float32)
    return average_downscale2d(hires, 4), hires


def terms_of(model, data, phase=GROWING, nimg=1500):
    level = dataclasses.replace(phase.level(nimg), lod=tf.constant(phase.lod(nimg), tf.float32))
    return tf.function(model.step_terms, autograph=False)(*data, model.draw(data[0], nimg), level)
