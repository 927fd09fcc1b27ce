"""Seeds: every random draw is a function of (seed, position, purpose), never of time, process or number of devices."""

from collections.abc import Iterable

import numpy as np
import tensorflow as tf

from libml.seeds import key, small_key

__all__ = ["key", "normal", "normal_parts", "small_key", "stateless_seed", "uniform"]


def stateless_seed(key: int, position: tf.Tensor | int) -> tf.Tensor:
    """The [2] seed of tf.random.stateless_* for a draw at a position (images seen, or a record's index)."""
    return tf.stack([tf.constant(key, tf.int64), tf.cast(position, tf.int64)])


def normal(shape, key: int, position: tf.Tensor | int) -> tf.Tensor:
    """Standard normal float32 values, the same on every device."""
    return tf.random.stateless_normal(shape, stateless_seed(key, position), alg="philox")


def normal_parts(starts: Iterable[int], count: int, key: int, position: int) -> np.ndarray:
    """Parts of normal(shape, key, position) in its flat order, `count` values from each start, without the others.

    Philox makes 4 values from each value of its counter, whichever were made before.

    Returns:
        float32 [parts, count].
    """
    mixed, counter = tf.raw_ops.StatelessRandomGetKeyCounter(seed=stateless_seed(key, position))
    counter, parts = counter.numpy(), []
    for start in starts:
        first, passed = divmod(start, 4)
        at = counter + np.array([first, 0], np.uint64)
        values = tf.raw_ops.StatelessRandomNormalV2(shape=[passed + count], key=mixed, counter=at, alg=1)  # Philox
        parts.append(values.numpy()[passed:])
    return np.stack(parts)


def uniform(shape, key: int, position: tf.Tensor | int) -> tf.Tensor:
    """Uniform float32 values in [0, 1), the same on every device."""
    return tf.random.stateless_uniform(shape, stateless_seed(key, position), alg="philox")
