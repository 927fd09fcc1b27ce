"""Means of a step's losses, and the first of them that was not finite, kept on the device between reports."""

from collections.abc import Mapping, Sequence

import tensorflow as tf

GREY_LEVELS = 127.5  # how many levels of 0..255 a unit of [-1, 1] spans

_NEVER = tf.int64.max


class Meters(tf.Module):
    """Running means by name. A checkpoint holds them, so that a report's window survives an interruption."""

    def __init__(self, names: Sequence[str]):
        """Args: names of the values."""
        super().__init__(name="meters")
        self.names = tuple(names)
        self.sums = tf.Variable(tf.zeros(len(names)), trainable=False, name="sums")
        self.steps = tf.Variable(0.0, trainable=False, name="steps")
        self.first_bad = tf.Variable(tf.fill([len(names)], tf.constant(_NEVER)), trainable=False, name="first_bad")

    def update(self, values: Mapping[str, tf.Tensor], nimg: tf.Tensor) -> None:
        """Counts one step's scalars, in cross-replica context inside a tf.function.

        Args:
            values: a scalar for each name.
            nimg: int64, position of the step.
        """
        step = tf.stack([values[name] for name in self.names])
        self.sums.assign_add(step)
        self.steps.assign_add(1.0)
        self.first_bad.assign(tf.minimum(self.first_bad, tf.where(tf.math.is_finite(step), _NEVER, nimg)))

    def means(self) -> dict[str, float]:
        """Means since the last reset."""
        means = self.sums.numpy() / max(self.steps.numpy(), 1.0)
        return dict(zip(self.names, means.tolist(), strict=True))

    def reset(self) -> None:
        """Starts new means."""
        self.sums.assign(tf.zeros_like(self.sums))
        self.steps.assign(0.0)

    def first_fault(self) -> tuple[str, int] | None:
        """(name, nimg) of the first value that was not finite, if there was one."""
        positions = self.first_bad.numpy()
        first = int(positions.argmin())
        return None if positions[first] == _NEVER else (self.names[first], int(positions[first]))


def grey_mse(image: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """Mean square error in squared grey levels of 0..255: its root is the reported rmse."""
    return GREY_LEVELS**2 * tf.reduce_mean(tf.square(image - target))
