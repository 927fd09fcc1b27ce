"""FID and KID: distances between two sets of images by their features in a network that knows ImageNet.

The features are the pooled ones of Keras' InceptionV3, not of the graph that published FIDs were measured with, and
images are enlarged by tf.image.resize: values compare with each other, not with published ones.
"""

import keras
import numpy as np
import tensorflow as tf

from libml.errors import UserError, reason

SIDE = 299  # pixels that InceptionV3 takes
KID_SUBSETS, KID_SUBSET = 50, 1000

FILE = "inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5"  # as Keras keeps it


class NoWeightsError(Exception):
    """InceptionV3's weights are not here."""


class Inception:
    """InceptionV3's features."""

    def __init__(self, weights: str, batch: int):
        """Args: file of the weights of keras.applications.InceptionV3(include_top=False), "imagenet" to let Keras fetch
        its own, '' if there are none; images at a time.

        Raises:
            UserError: if the file cannot be read as such weights.
            NoWeightsError: if there are none.
        """
        if not weights:
            raise NoWeightsError(
                "InceptionV3's weights are not here: --inception_weights=imagenet lets Keras fetch them"
            )
        build = keras.applications.InceptionV3
        try:
            network = build(include_top=False, pooling="avg", input_shape=(SIDE, SIDE, 3), weights=weights)
        except Exception as e:  # a wrong file shows as errors of many kinds
            raise UserError(
                f"--inception_weights={weights} cannot be read as weights of "
                f"keras.applications.InceptionV3(include_top=False): {reason(e)}"
            ) from e

        @tf.function(autograph=False, reduce_retracing=True)
        def pooled(images: tf.Tensor) -> tf.Tensor:
            x = tf.image.resize(tf.cast(images, tf.float32) / 127.5 - 1, [SIDE, SIDE], antialias=True)
            return network(x, training=False)

        self._batch, self._pooled = batch, pooled

    def features(self, images: np.ndarray) -> np.ndarray:
        """uint8 [N, H, W, C] -> float32 [N, 2048]."""
        images = images.repeat(3, axis=-1) if images.shape[-1] == 1 else images
        parts = (images[i : i + self._batch] for i in range(0, len(images), self._batch))
        return np.concatenate([self._pooled(part).numpy() for part in parts])


def frechet_distance(a: np.ndarray, b: np.ndarray) -> float:
    """FID: the squared Frechet distance between the Gaussians fitted to two sets of features (Heusel et al. 2017).

    |mean_a - mean_b|^2 + trace(A + B - 2 (A B)^(1/2)), A and B the covariances.

    Args:
        a: features [N, D], N at least 2.
        b: features [M, D], M at least 2.
    """
    a, b = a.astype(np.float64), b.astype(np.float64)
    root_a, root_b = _covariance_factor(a), _covariance_factor(b)
    # trace((A B)^(1/2)) by singular values: roots of eigenvalues would magnify the rounding of those that are 0.
    shared = np.linalg.svd(root_a @ root_b.T, compute_uv=False).sum()
    distance = np.square(a.mean(0) - b.mean(0)).sum() + np.square(root_a).sum() + np.square(root_b).sum() - 2 * shared
    return max(0.0, float(distance))


def _covariance_factor(x: np.ndarray) -> np.ndarray:
    """A matrix R [at most D, D] whose R^T R is the covariance of features [N, D]."""
    return np.linalg.qr((x - x.mean(0)) / np.sqrt(len(x) - 1), mode="r")


def _unbiased_mmd(a: np.ndarray, b: np.ndarray) -> float:
    """Unbiased squared maximum mean discrepancy of two sets of n features, kernel (x . y / D + 1)^3."""
    n, d = a.shape
    within_a, within_b, across = ((x @ y.T / d + 1) ** 3 for x, y in ((a, a), (b, b), (a, b)))
    within = sum((k.sum() - np.trace(k)) / (n * (n - 1)) for k in (within_a, within_b))
    return float(within - 2 * across.mean())


def kernel_distance(a: np.ndarray, b: np.ndarray, seed: int) -> float:
    """KID: the mean of unbiased MMD^2 over 50 random subsets of 1000 (Binkowski et al. 2018).

    Sets of no more than 1000 are taken whole, once.

    Args:
        a: features [N, D], N at least 2.
        b: features [N, D].
        seed: of the subsets.
    """
    a, b = a.astype(np.float64), b.astype(np.float64)
    if len(a) <= KID_SUBSET:
        return _unbiased_mmd(a, b)
    rng = np.random.default_rng(seed)
    subsets = [[rng.choice(len(x), KID_SUBSET, replace=False) for x in (a, b)] for _ in range(KID_SUBSETS)]
    return float(np.mean([_unbiased_mmd(a[i], b[j]) for i, j in subsets]))
