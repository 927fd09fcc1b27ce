"""Spectral normalisation: its estimate, its derivatives, and when u changes."""

import numpy as np
import pytest
import tensorflow as tf

from libml.layers.spectral_norm import SpectralNormConv2D, SpectralNormDense, normalized

LAYERS = {
    "conv": (lambda **options: SpectralNormConv2D(4, 3, padding="same", **options), (2, 5, 5, 3)),
    "dense": (lambda **options: SpectralNormDense(4, **options), (2, 3)),
}


def kernel_and_u(*shape):
    draw = np.random.default_rng(0)
    return tf.constant(draw.normal(size=shape)), tf.constant(draw.normal(size=(1, shape[-1])))


@pytest.fixture(params=LAYERS)
def layer_and_input(request):
    make, shape = LAYERS[request.param]
    layer, x = make(u_seed=3), tf.random.stateless_normal(shape, [0, 1])
    layer.build(shape)
    return layer, x


@pytest.mark.parametrize("shape", [(3, 3, 2, 5), (7, 5), (2, 5)])
def test_power_iteration_finds_the_largest_singular_value(shape):
    kernel, u = kernel_and_u(*shape)
    for _ in range(200):
        scaled, u = normalized(kernel, u)
    expected = kernel / np.linalg.svd(kernel.numpy().reshape(-1, 5), compute_uv=False)[0]
    np.testing.assert_allclose(scaled, expected, rtol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(u), 1)


def test_one_iteration_is_v_then_u_then_sigma():
    kernel, u = kernel_and_u(3, 3, 2, 5)
    w = kernel.numpy().reshape(18, 5)
    v = u.numpy() @ w.T
    v /= np.linalg.norm(v)
    expected_u = v @ w / np.linalg.norm(v @ w)
    scaled, next_u = normalized(kernel, u)
    np.testing.assert_allclose(next_u, expected_u)
    np.testing.assert_allclose(scaled, kernel / (v @ w @ expected_u.T))


def test_first_and_second_derivatives_pass_through_v_and_u():
    kernel, u = kernel_and_u(3, 3, 2, 4)
    draw = np.random.default_rng(1)
    weights, direction = (tf.constant(draw.normal(size=kernel.shape)) for _ in range(2))

    def value(kernel):
        scaled, next_u = normalized(kernel, u)
        return tf.reduce_sum(weights * tf.sin(scaled)) + tf.reduce_sum(next_u)

    def slope(kernel):
        with tf.GradientTape() as tape:
            tape.watch(kernel)
            y = value(kernel)
        return tf.reduce_sum(tape.gradient(y, kernel) * direction)

    with tf.GradientTape() as tape:
        tape.watch(kernel)
        first = slope(kernel)
    second = tf.reduce_sum(tape.gradient(first, kernel) * direction)
    step = 1e-5
    for function, derivative in ((value, first), (slope, second)):
        numeric = (function(kernel + step * direction) - function(kernel - step * direction)) / (2 * step)
        np.testing.assert_allclose(derivative, numeric, rtol=1e-7)


def test_a_call_reads_u_and_only_update_u_writes_it(layer_and_input):
    layer, x = layer_and_input
    first_u, first = layer.u.numpy(), layer(x, training=True)
    np.testing.assert_array_equal(layer.u, first_u)
    np.testing.assert_array_equal(layer(x), first)
    expected = normalized(layer.kernel, layer.u)[1]
    layer.update_u()
    np.testing.assert_array_equal(layer.u, expected)
    assert np.any(layer.u != first_u) and np.any(layer(x) != first)


def test_output_is_that_of_the_normalised_kernel_and_bias(layer_and_input):
    layer, x = layer_and_input
    layer.bias.assign([1.0, 2.0, 3.0, 4.0])
    kernel = normalized(layer.kernel, layer.u)[0]
    y = tf.nn.conv2d(x, kernel, 1, "SAME") if len(x.shape) == 4 else x @ kernel
    np.testing.assert_allclose(layer(x), y + layer.bias, atol=1e-5)


@pytest.mark.parametrize("kind", LAYERS)
def test_u_is_seeded_saved_and_not_trained(kind):
    make, shape = LAYERS[kind]
    layer, same, other = made = [make(u_seed=seed) for seed in (3, 3, 4)]
    for each in made:
        each.build(shape)
    assert [v.name for v in layer.non_trainable_variables] == ["u"] and layer.u.shape == (1, 4)
    assert len(layer.trainable_variables) == 2
    assert np.all(np.abs(layer.u) <= 2)
    np.testing.assert_array_equal(same.u, layer.u)
    assert np.any(other.u != layer.u)


def test_activation_and_no_bias_are_those_of_keras():
    layer = SpectralNormDense(4, use_bias=False, activation="relu", u_seed=0)
    x = tf.random.stateless_normal([8, 3], [0, 1])
    y = layer(x)
    np.testing.assert_allclose(y, tf.nn.relu(x @ normalized(layer.kernel, layer.u)[0]), atol=1e-6)
    assert np.any(y == 0) and np.any(y > 0)
