"""Layers of the compared methods."""

import keras
import tensorflow as tf

from libml import rng


def batch_norm(name: str) -> keras.layers.BatchNormalization:
    """Batch normalisation whose statistics are those of the global batch on any number of replicas.

    To be made in the strategy's scope.
    """
    synchronized = tf.distribute.get_strategy().num_replicas_in_sync > 1
    return keras.layers.BatchNormalization(momentum=0.99, epsilon=1e-3, synchronized=synchronized, name=name)


def conv2d(
    name: str,
    filters: int,
    size: int,
    seed: int,
    strides: int = 1,
    initializer: type[keras.initializers.Initializer] = keras.initializers.GlorotUniform,
    **options,
) -> keras.layers.Conv2D:
    """A SAME convolution with bias, whose initial values follow from the seed of what it is part of and its name.

    Args:
        name: of the layer.
        filters: output channels.
        size: side of the kernel.
        seed: of the network.
        strides: as tf.nn.conv2d's.
        initializer: of the kernel; `options` are its further arguments.
    """
    kernel = initializer(seed=rng.small_key(seed, name), **options)
    return keras.layers.Conv2D(filters, size, strides, padding="same", kernel_initializer=kernel, name=name)
