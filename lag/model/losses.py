"""The terms of the two losses as pure functions of tensors. Images are [N, H, W, C] in [-1, 1]; N is the batch.

Each mean is over the local batch; a caller on several replicas divides by their number.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from libml.layers.resample import blend, downscale2d, remove_details2d, upscale2d
from libml.training.meters import GREY_LEVELS
from libml.training.schedule import Level

GRADIENT_PENALTY_WEIGHT = 10.0
ENERGY_SPREAD = 0.95  # s of energy_loss, the share of two samples' distance that counts; at 1 gradients are noisier


def real_at_level(hires: tf.Tensor, level: Level, lods: int) -> tf.Tensor:
    """The real image that a level of detail trains on, the only thing that is interpolated in a transition.

    Args:
        hires: [N, H, W, C].
        level: of detail.
        lods: the last level, that of hires.

    Returns:
        [N, H/e, W/e, C], e = 2^(lods - level.stop).
    """
    real = downscale2d(hires, 2 ** (lods - level.stop))
    return real if level.fade is None else blend(remove_details2d(real), real, level.fade)


def lores_error(
    lores: tf.Tensor, image: tf.Tensor, downscale: Callable[[tf.Tensor], tf.Tensor], color_round: float
) -> tf.Tensor:
    """delta = |y - H(x)|, rounded straight through to multiples of color_round grey levels (paper eqs. 10 and 11).

    Shape of lores.
    """
    return straight_through_round(tf.abs(lores - downscale(image)), color_round)


class GanLoss(NamedTuple):
    """An adversarial objective: two functions of the scores [N] of real images and of generated ones."""

    critic: Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]  # -> (dreal, dfake), which P minimises
    generator: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]  # -> gfake, which G minimises


def wasserstein_critic(score_real: tf.Tensor, score_fake: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """dreal = -mean(real), dfake = mean(fake) (paper eqs. 4 and 8)."""
    return -tf.reduce_mean(score_real), tf.reduce_mean(score_fake)


def wasserstein_generator(score_real: tf.Tensor, score_fake: tf.Tensor) -> tf.Tensor:
    """gfake = -mean(fake) (paper eqs. 4 and 7)."""
    return -tf.reduce_mean(score_fake)


def relativistic_critic(score_real: tf.Tensor, score_fake: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """dreal = mean(softplus(Mean(fake) - real)), dfake = mean(softplus(fake - Mean(real))).

    Mean is over the global batch: real images should score above the mean fake, fakes below the mean real (paper
    section 3.1; Jolicoeur-Martineau, 2018).
    """
    above, below = score_real - _global_mean(score_fake), score_fake - _global_mean(score_real)
    return tf.reduce_mean(tf.nn.softplus(-above)), tf.reduce_mean(tf.nn.softplus(below))


def relativistic_generator(score_real: tf.Tensor, score_fake: tf.Tensor) -> tf.Tensor:
    """gfake = mean(softplus(real - Mean(fake))) + mean(softplus(Mean(real) - fake)): the other way round."""
    above, below = score_real - _global_mean(score_fake), score_fake - _global_mean(score_real)
    return tf.reduce_mean(tf.nn.softplus(above)) + tf.reduce_mean(tf.nn.softplus(-below))


def pairing_critic(score_real: tf.Tensor, score_fake: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """dreal = mean(softplus(fake - real)), dfake = 0.

    A real image should score above the generated one of the same y (relativistic pairing; Huang et al., 2024).
    """
    return tf.reduce_mean(tf.nn.softplus(score_fake - score_real)), tf.zeros([])


def pairing_generator(score_real: tf.Tensor, score_fake: tf.Tensor) -> tf.Tensor:
    """gfake = mean(softplus(real - fake)): the other way round."""
    return tf.reduce_mean(tf.nn.softplus(score_real - score_fake))


def _global_mean(x: tf.Tensor) -> tf.Tensor:
    """The mean over the batches of all replicas, with its gradient."""
    context, mean = tf.distribute.get_replica_context(), tf.reduce_mean(x)
    if context is None or context.num_replicas_in_sync == 1:
        return mean
    return context.all_reduce(tf.distribute.ReduceOp.MEAN, mean)


# By the value of --gan_loss; lag/config.py lists the names, since it does without TensorFlow.
GAN_LOSSES = {
    "wasserstein": GanLoss(wasserstein_critic, wasserstein_generator),
    "relativistic": GanLoss(relativistic_critic, relativistic_generator),
    "pairing": GanLoss(pairing_critic, pairing_generator),
}


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
    gradient = _gradient_at(score, mixed, excess)
    norm = tf.sqrt(tf.reduce_mean(tf.square(gradient), axis=[1, 2, 3]) + 1e-8)
    return GRADIENT_PENALTY_WEIGHT * tf.reduce_mean(tf.square(norm - wass_target)) / wass_target**2


def zero_centred_penalty(
    critic: Callable[[tf.Tensor], tf.Tensor], images: tf.Tensor, excess: int, gamma: tf.Tensor | float
) -> tf.Tensor:
    """gp = gamma mean(|grad C|^2): how far the critic is from flat at real and at generated images.

    With each image real or generated at random, this is gamma / 2 (R1 + R2) in the mean (Mescheder et al., 2018), at
    half the cost. The norm is Euclidean, over the pixels and colours of the HR image.

    Args:
        critic: C at HR images [N, H, W, C] -> [N].
        images: [N, H/excess, W/excess, C], at the phase's size.
        excess: factor to the HR size.
        gamma: weight.
    """
    gradient = _gradient_at(critic, images, excess)
    return gamma * tf.reduce_mean(tf.reduce_sum(tf.square(gradient), axis=[1, 2, 3]))


def _gradient_at(score: Callable[[tf.Tensor], tf.Tensor], images: tf.Tensor, excess: int) -> tf.Tensor:
    """The gradient of the sum of a score for images enlarged to the HR size: float32 [N, H, W, C]."""
    hires = upscale2d(images, excess)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(hires)
        total = tf.reduce_sum(score(hires))
    return tf.cast(tape.gradient(total, hires), tf.float32)


def energy_loss(latent_real: tf.Tensor, latent_one: tf.Tensor, latent_two: tf.Tensor) -> tf.Tensor:
    """energy = mean((|p - p1| + |p - p2|) / 2 - s |p1 - p2| / 2) / sqrt(C), for latents of x and of two samples of y.

    |.| is the Euclidean norm over the C channels, the mean is over positions. With s = 1 the score is strictly proper:
    its mean is least when, at each position, samples are distributed as the truth is, given y (Gneiting & Raftery,
    2007). s is ENERGY_SPREAD.
    """

    def distance(p, q):
        return tf.sqrt(tf.reduce_sum(tf.square(p - q), axis=-1) + 1e-8)

    error = (distance(latent_real, latent_one) + distance(latent_real, latent_two)) / 2
    spread = distance(latent_one, latent_two) / 2
    return tf.reduce_mean(error - ENERGY_SPREAD * spread) / latent_real.shape[-1] ** 0.5


def slope(*gradients: tf.Tensor) -> tf.Tensor:
    """The RMS of the gradient of each image's own loss for the image, over the images and their values.

    It is over the global batch. `gradients` are those of means over a batch; times its size, of an image's own loss.
    """
    squares = [tf.reduce_mean(tf.square(g * tf.cast(tf.shape(g)[0], g.dtype))) for g in gradients]
    return tf.sqrt(_global_mean(tf.add_n(squares) / len(squares)))


def balance(ratio: float, gan: tf.Tensor, *gradients: tf.Tensor) -> tf.Tensor:
    """The factor that makes the slope of gradients at images `ratio` times that of `gan`, the adversarial one's.

    It is a constant: no gradient flows through it.
    """
    return tf.stop_gradient(ratio * slope(gan) / (slope(*gradients) + 1e-12))


def falling(start: float, end: float, done: tf.Tensor | float) -> tf.Tensor | float:
    """From start to end along half a cosine, done being the share of the run that is over; always start if end is 0."""
    return end + (start - end) * (1 + tf.cos(math.pi * done)) / 2 if end else start


def straight_through_round(x: tf.Tensor, quantum: float = 4.0) -> tf.Tensor:
    """To multiples of so many grey levels, half to even, with gradient 1 (paper eq. 11, whose text says 1 level)."""
    resolution = GREY_LEVELS / quantum

    @tf.custom_gradient
    def rounded(x):
        return tf.round(x * resolution) / resolution, lambda dy: dy

    return rounded(x)
