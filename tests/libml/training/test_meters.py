"""Means between reports, and the first value that was not finite."""

import numpy as np
import tensorflow as tf

from libml.training.meters import Meters


def update(meters, nimg, **values):
    meters.update({name: tf.constant(value) for name, value in values.items()}, tf.constant(nimg, tf.int64))


def test_means_are_of_a_window():
    meters = Meters(["a", "b"])
    update(meters, 0, a=1.0, b=5.0)
    update(meters, 4, a=2.0, b=-5.0)
    assert meters.means() == {"a": 1.5, "b": 0.0}
    meters.reset()
    assert meters.means() == {"a": 0.0, "b": 0.0}
    update(meters, 8, a=7.0, b=8.0)
    assert meters.means() == {"a": 7.0, "b": 8.0}
    assert meters.first_fault() is None


def test_the_first_fault_is_kept():
    meters = Meters(["a", "b", "c"])
    for nimg, values in ((0, (1, 1, 1)), (4, (1, np.inf, 1)), (8, (np.nan, 1, 1)), (12, (np.nan, np.nan, -np.inf))):
        update(meters, nimg, **{name: float(value) for name, value in zip("abc", values, strict=True)})
    meters.reset()
    assert meters.first_fault() == ("b", 4)
