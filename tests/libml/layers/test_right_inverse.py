"""x + S (y - H x): its small version is y, by the downscalers themselves."""

import numpy as np
import pytest
import tensorflow as tf

from libml.layers import right_inverse
from libml.layers.resample import DOWNSCALERS, upscale2d

FACTORS = [(2, 2), (2, 8), (8, 8), (4, 16)]  # of the image, of the downscaler


def normal(*shape, seed=0):
    return tf.random.stateless_normal(shape, [seed, 7])


def made_small(image, m, n, downscaler):
    """H of the image with each pixel repeated, as a phase of growing shows it."""
    return DOWNSCALERS[downscaler](upscale2d(image, n // m), n)


@pytest.mark.parametrize("downscaler", DOWNSCALERS)
@pytest.mark.parametrize("m, n", FACTORS)
def test_the_small_version_is_the_given_one(downscaler, m, n):
    for h, w in ((3, 4), (7, 5), (12, 23)):
        image, lores = 3 * normal(2, h * m, w * m, 3), normal(2, h, w, 3, seed=1)
        made = right_inverse.consistent(image, lores, m, n, downscaler)
        np.testing.assert_allclose(made_small(made, m, n, downscaler), lores, atol=2e-5)
        again = right_inverse.consistent(made, lores, m, n, downscaler)
        np.testing.assert_allclose(again, made, atol=2e-5)  # which is consistent already


@pytest.mark.parametrize("downscaler", DOWNSCALERS)
def test_no_side_is_ill_conditioned(downscaler):
    for m, n in FACTORS:
        for h in (1, 2, 3, 4, 5, 8, 17, 64):
            down, up = (matrix.numpy() for matrix in right_inverse.matrices(h, m, n, downscaler))
            np.testing.assert_allclose(down @ up, np.eye(h), atol=2e-6)
            # How much larger an error of y can become in S y than one of that size need be.
            assert np.linalg.norm(up, 2) * np.linalg.norm(down, 2) < 2.1


@pytest.mark.parametrize("downscaler", DOWNSCALERS)
def test_a_graph_of_any_size_computes_the_same(downscaler):
    known = tf.TensorSpec([None, None, None, 3])
    run = tf.function(lambda x, y: right_inverse.consistent(x, y, 4, 8, downscaler), input_signature=[known, known])
    for h, w in ((1, 1), (2, 3), (6, 11)):
        image, lores = normal(2, h * 4, w * 4, 3), normal(2, h, w, 3, seed=1)
        expected = right_inverse.consistent(image, lores, 4, 8, downscaler)
        np.testing.assert_allclose(run(image, lores), expected, atol=1e-5)


def test_what_is_added_is_smooth():
    """Of an image of 0: S y, where y is a ramp. A ramp of the pixels has it as its box means."""
    lores = tf.constant(np.arange(40, dtype=np.float32)[None, None, :, None].repeat(40, 1))
    made = right_inverse.consistent(tf.zeros([1, 160, 160, 1]), lores, 4, 4, "average").numpy()[0, 80, :, 0]
    ramp = (np.arange(160) + 0.5) / 4 - 0.5
    np.testing.assert_allclose(made[40:-40], ramp[40:-40], atol=1e-4)  # away from the borders, where it is bent


@pytest.mark.parametrize("downscaler, m", [("average", 8), ("bicubic", 2), ("antialias", 4)])
def test_reach_is_how_far_an_input_is_felt(downscaler, m):
    reach, size = right_inverse.reach(m, 8, downscaler), 41

    def change(image, lores):
        made = right_inverse.consistent(tf.constant(image), tf.constant(lores), m, 8, downscaler).numpy()
        strips = np.abs(made).reshape(size, m, -1).max((1, 2))  # by small pixel
        return np.flatnonzero(strips > 2e-5) - 20

    image, lores = np.zeros([1, size * m, 3 * m, 1], np.float32), np.zeros([1, size, 3, 1], np.float32)
    lores[0, 20] = 1
    felt = change(image, lores)
    assert np.abs(felt).max() in (reach - 2, reach - 1, reach)
    lores[0, 20], image[0, 20 * m : 21 * m] = 0, 1
    assert np.abs(change(image, lores)).max() <= reach
