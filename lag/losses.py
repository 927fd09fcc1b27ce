"""The terms of the two losses as pure functions of tensors. Images are [N, H, W, C] in [-1, 1]; N is the batch.

Each mean is over the local batch; a caller on several replicas divides by their number.
"""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from libml.layers import blend, downscale2d, remove_details2d, straight_through_round, upscale2d

GRADIENT_PENALTY_WEIGHT = 10.0


def real_at_phase(hires: tf.Tensor, excess: int, fade: tf.Tensor | None) -> tf.Tensor:
    """The real image that a phase trains on, the only thing that is interpolated in a transition.

    Args:
        hires: [N, H, W, C].
        excess: how many times the phase's images are smaller than hires.
        fade: lod - lod_start in a transition, None outside.

    Returns:
        [N, H/excess, W/excess, C].
    """
    real = downscale2d(hires, excess)
    return real if fade is None else blend(remove_details2d(real), real, fade)


def lores_error(
    lores: tf.Tensor, image: tf.Tensor, downscale: Callable[[tf.Tensor], tf.Tensor], color_round: float
) -> tf.Tensor:
    """delta = |y - H(x)|, rounded straight through to multiples of color_round grey levels (paper eqs. 10 and 11).

    Shape of lores.
    """
    return straight_through_round(tf.abs(lores - downscale(image)), color_round)


class AdversarialTerms(NamedTuple):
    """What a GAN loss makes of the critic's scores."""

    dreal: tf.Tensor
    dfake: tf.Tensor
    gfake: tf.Tensor
    # d gfake / d score over d (dreal + dfake) / d score of each fake, [N]: what turns the critic's gradient at a fake
    # image into the generator's, so that one backward pass serves both.
    generator_share: tf.Tensor


def wasserstein(score_real: tf.Tensor, score_fake: tf.Tensor) -> AdversarialTerms:
    """The Wasserstein objective from scores [N] (paper eqs. 4, 7, 8)."""
    dreal, dfake = -tf.reduce_mean(score_real), tf.reduce_mean(score_fake)
    return AdversarialTerms(dreal, dfake, -dfake, -tf.ones_like(score_fake))


def relativistic(score_real: tf.Tensor, score_fake: tf.Tensor) -> AdversarialTerms:
    """The relativistic average objective from scores [N] (paper section 3.1; Jolicoeur-Martineau, 2018).

    Real images should score above the mean fake of the global batch, fakes below the mean real, and the generator
    wants both the other way round.
    """
    above = score_real - _global_mean(score_fake)
    below = score_fake - _global_mean(score_real)
    dreal = tf.reduce_mean(tf.nn.softplus(-above))
    # The second term is too small to be seen; it keeps the critic's gradient from underflowing where it is certain.
    dfake = tf.reduce_mean(tf.nn.softplus(below)) + _CERTAIN * tf.reduce_mean(score_fake)
    gfake = tf.reduce_mean(tf.nn.softplus(above)) + tf.reduce_mean(tf.nn.softplus(-below))
    for_critic = _global_mean(tf.sigmoid(-above)) + tf.sigmoid(below) + _CERTAIN
    for_generator = -_global_mean(tf.sigmoid(above)) - tf.sigmoid(-below)
    return AdversarialTerms(dreal, dfake, gfake, tf.stop_gradient(for_generator / for_critic))


_CERTAIN = 1e-12


def _global_mean(x: tf.Tensor) -> tf.Tensor:
    """The mean over the batches of all replicas, with its gradient."""
    context, mean = tf.distribute.get_replica_context(), tf.reduce_mean(x)
    if context is None or context.num_replicas_in_sync == 1:
        return mean
    return context.all_reduce(tf.distribute.ReduceOp.MEAN, mean)


GAN_LOSSES = {"wasserstein": wasserstein, "relativistic": relativistic}


def center_distance(latent_real: tf.Tensor, latent_center: tf.Tensor) -> tf.Tensor:
    """gmse = mean((P(x) - P(G(y, 0)))^2), the perceptual centre's distance (paper eq. 6, as a mean)."""
    return tf.reduce_mean(tf.square(latent_real - latent_center))


def gradient_penalty(
    score: Callable[[tf.Tensor], tf.Tensor], mixed: tf.Tensor, excess: int, wass_target: float
) -> tf.Tensor:
    """gp: how far the critic's slope at images between real and fake is from wass_target (paper eq. 5).

    The norm is the RMS over the pixels and colours of the HR image, per sample.

    Args:
        score: critic at HR images [N, H, W, C] -> [N, ...], summed here.
        mixed: [N, H/excess, W/excess, C], points between real and fake at the phase's size.
        excess: factor to the HR size.
        wass_target: the slope wanted.
    """
    hires = upscale2d(mixed, excess)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(hires)
        total = tf.reduce_sum(score(hires))
    slope = tf.cast(tape.gradient(total, hires), tf.float32)
    norm = tf.sqrt(tf.reduce_mean(tf.square(slope), axis=[1, 2, 3]) + 1e-8)
    return GRADIENT_PENALTY_WEIGHT * tf.reduce_mean(tf.square(norm - wass_target)) / wass_target**2
