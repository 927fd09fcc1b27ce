"""G, P and F: shapes, growth, and which gradients reach which stage."""

import numpy as np
import pytest
import tensorflow as tf

from lag.model.networks import CriticHead, Generator, Projection
from libml.layers.resample import DOWNSCALERS, upscale2d
from libml.training.schedule import Level

SIZES = {"scale": 8, "blocks": 1, "filters": 8, "filters_min": 4}
PHASES = [(1, 1, 1.0), (1, 2, 1.25), (2, 2, 2.0), (2, 3, 2.5), (3, 3, 3.0)]


def generator(colors=3, **options):
    return Generator(colors=colors, noise_dim=2, seed=1, **SIZES, **options)


def projection(colors=3):
    return Projection(colors=colors, seed=1, **SIZES)


def randomize_biases(network):
    # Zero biases would hide a path that only they take.
    for i, v in enumerate(network.trainable_variables):
        if v.path.endswith("bias"):
            v.assign(tf.random.stateless_normal(v.shape, [i, 0]))


def inputs(h=4, w=4, colors=3):
    return tf.random.stateless_normal([2, h, w, colors], [1, 2]), tf.random.stateless_normal([2, h, w, 2], [3, 4])


@pytest.mark.parametrize("colors", [1, 3])
@pytest.mark.parametrize("levels", PHASES)
def test_shapes_of_any_size(levels, colors):
    g, p = generator(colors), projection(colors)
    for h, w in ((4, 4), (3, 5)):
        lores, z = inputs(h, w, colors)
        image = g(lores, z, level=Level(*levels))
        assert image.shape == (2, h * 2 ** levels[1], w * 2 ** levels[1], colors)
        latent = p(image, tf.zeros_like(lores), level=Level(*levels))
        assert latent.shape == (2, h, w, 8)
        assert CriticHead()(latent).shape == (2,)


@pytest.mark.parametrize("downscaler", DOWNSCALERS)
@pytest.mark.parametrize("levels", PHASES)
def test_consistent_images_have_the_given_small_version(levels, downscaler):
    g = generator(consistent_with=downscaler)
    randomize_biases(g)
    for h, w in ((4, 4), (3, 5)):
        lores, z = inputs(h, w)
        with tf.GradientTape() as tape:
            image = g(lores, z, level=Level(*levels))
        whole = upscale2d(image, 2 ** (3 - levels[1]))
        np.testing.assert_allclose(DOWNSCALERS[downscaler](whole, 8), lores, atol=1e-5)
        assert np.std(image) > 0.3
        if downscaler != "bicubic":  # whose S spreads a brightness unevenly
            brightness = tape.gradient(image, g.stage_1.to_rgb.bias)
            assert np.all(np.abs(brightness) < 1e-2)  # it is y's alone


def test_shared_noise_is_that_of_the_first_cell_everywhere():
    size, level = 21, Level(2, 2, 2.0)
    shared, plain = (Generator(colors=3, noise_dim=4, shared_dim=k, seed=1, **SIZES) for k in (2, 0))
    lores, z = tf.zeros([1, size, size, 3]), tf.random.stateless_normal([1, size, size, 4], [0, 0]).numpy()
    same = z.copy()
    same[..., :2] = z[:, :1, :1, :2]
    made = shared(lores, z, level=level).numpy()
    np.testing.assert_array_equal(made, shared(lores, same, level=level))
    np.testing.assert_allclose(made, plain(lores, same, level=level), atol=1e-6)

    def changed(row, channel):
        other = z.copy()
        other[0, row, row, channel] += 1
        return np.any(shared(lores, other, level=level).numpy() != made, axis=(0, 3))

    assert not changed(5, 0).any()
    assert changed(0, 1)[-1, -1] and changed(0, 1).mean() > 0.9  # far beyond a convolution's reach
    assert changed(5, 2).any() and not changed(5, 2)[-1, -1]


@pytest.mark.parametrize("k", [1, 2])
def test_generator_fades_from_the_phase_before_to_the_one_after(k):
    g = generator()
    randomize_biases(g)
    lores, z = inputs()
    before, after = g(lores, z, level=Level(k, k, k)), g(lores, z, level=Level(k + 1, k + 1, k + 1))
    first, last = g(lores, z, level=Level(k, k + 1, float(k))), g(lores, z, level=Level(k, k + 1, k + 1.0))
    np.testing.assert_array_equal(first, tf.repeat(tf.repeat(before, 2, 1), 2, 2))
    np.testing.assert_array_equal(last, after)
    assert np.any(first != last)


@pytest.mark.parametrize("k", [1, 2])
def test_projection_fades_from_the_phase_before_to_the_one_after(k):
    p = projection()
    randomize_biases(p)
    small = tf.random.stateless_normal([2, 4 * 2**k, 4 * 2**k, 3], [5, 6])
    large = tf.random.stateless_normal([2, 8 * 2**k, 8 * 2**k, 3], [5, 7])
    delta = tf.random.stateless_normal([2, 4, 4, 3], [8, 9])
    without_details = tf.repeat(tf.repeat(small, 2, 1), 2, 2)
    before, first = p(small, delta, level=Level(k, k, k)), p(without_details, delta, level=Level(k, k + 1, float(k)))
    np.testing.assert_allclose(first, before, rtol=1e-5, atol=1e-5)
    after, last = p(large, delta, level=Level(k + 1, k + 1, k + 1)), p(large, delta, level=Level(k, k + 1, k + 1.0))
    np.testing.assert_allclose(last, after, rtol=1e-5, atol=1e-5)
    assert np.any(np.abs(p(large, delta, level=Level(k, k + 1, float(k))) - last) > 1e-3)


@pytest.mark.parametrize("levels", PHASES)
def test_gradients_reach_the_stages_of_a_phase_and_no_others(levels):
    g, p = generator(), projection()
    lores, z = inputs()
    with tf.GradientTape(persistent=True) as tape:
        image = g(lores, z, level=Level(*levels))
        latent = p(image, tf.abs(lores), level=Level(*levels))
        total = tf.reduce_sum(latent**2)
    for network in (g, p):
        for k in range(network.lods + 1):
            for v in network.stage_variables(k):
                gradient = tape.gradient(total, v.value)
                if k > levels[1]:
                    assert gradient is None, v.path
                else:
                    assert gradient is not None and np.any(gradient != 0), v.path


def test_latent_signs_alternate():
    p = projection()
    p.block_0.bias.assign(np.full(8, 100.0))  # every value of the last convolution is positive
    latent = p(*[tf.random.stateless_normal([2, 4 * s, 4 * s, 3], [1, 1]) for s in (8, 1)], level=Level(3, 3, 3.0))
    assert np.all(latent[..., 0::2] < 0) and np.all(latent[..., 1::2] > 0)


def test_layers_start_with_different_values_and_a_seed_repeats_them():
    kernels = [np.asarray(v).ravel()[:8] for n in (generator(), projection()) for v in n.trainable_variables[::2]]
    assert len({k.tobytes() for k in kernels}) == len(kernels)
    for a, b in zip(generator().trainable_variables, generator().trainable_variables, strict=True):
        np.testing.assert_array_equal(a, b)


def test_widths_follow_the_floor_everywhere():
    g = Generator(colors=3, noise_dim=2, scale=4, blocks=1, filters=4, filters_min=16)
    p = Projection(colors=3, scale=4, blocks=1, filters=4, filters_min=16)
    assert g.widths == p.widths == (16, 16, 16)
    image = g(*inputs(), level=Level(2, 2, 2.0))
    assert p(image, inputs()[0], level=Level(2, 2, 2.0)).shape == (2, 4, 4, 16)


def test_weights_are_values():
    """A call's result is that of the weights it is given, and gradients reach what they were made of."""
    g, p, level = generator(), projection(), Level(2, 3, 2.5)
    lores, z = inputs()
    image = g(lores, z, level=level)
    for network, args in ((g, (lores, z)), (p, (image, tf.abs(lores)))):
        frozen = network.effective_weights(level)
        before = network(*args, level=level)
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(args)
            live = network.effective_weights(level)
            once = tf.reduce_sum(network(*args, level=level, weights=live) ** 2)
            twice = once + tf.reduce_sum(network(*args, level=level, weights=live) ** 2)
            held = tf.reduce_sum(network(*args, level=level, weights=frozen) ** 2)
        for k in range(4):
            for v in network.stage_variables(k):
                np.testing.assert_allclose(tape.gradient(twice, v.value), 2 * tape.gradient(once, v.value), rtol=1e-5)
                assert tape.gradient(held, v.value) is None
        np.testing.assert_array_equal(tape.gradient(held, args[0]), tape.gradient(once, args[0]))
        for v in network.trainable_variables:
            v.assign(-v)
        np.testing.assert_array_equal(network(*args, level=level, weights=frozen), before)
        assert np.any(network(*args, level=level) != before)
