"""Bias and activation: the same in every form, with the derivatives of what they are."""

import numpy as np
import pytest
import tensorflow as tf

from libml.layers import reference
from libml.layers.fast import activation, choose
from libml.system import cpu
from tests.parity import relative_error
from tests.support.steps import FIRST, batch, make


@pytest.fixture
def compiled(monkeypatch):
    """Has XLA compile what it does for large images, for all of them."""
    monkeypatch.setattr(choose, "COMPILED_SIZE", 1)
    monkeypatch.setattr(cpu, "has_bfloat16", lambda: True)


def slope_and_its_gradient(activate, w, bias, dtype=tf.float32):
    """A small net, its d/dx, and the gradients of that slope's square for the weights."""
    x, w = tf.random.stateless_normal([2, 6, 6, 3], [3, 4]), [tf.cast(v, dtype) for v in w]
    with tf.GradientTape() as outer:
        outer.watch([*w, bias])
        with tf.GradientTape() as inner:
            inner.watch(x)
            h = activate(tf.nn.conv2d(tf.cast(x, dtype), w[0], 1, "SAME"), tf.cast(bias, dtype))
            y = activate(tf.nn.conv2d(h, w[1], 1, "SAME"), tf.cast(bias, dtype))
            total = tf.reduce_sum(tf.cast(y, tf.float32) * tf.random.stateless_normal(y.shape, [5, 5]))
        slope = inner.gradient(total, x)
        penalty = tf.reduce_sum(slope**2)
        objective = penalty + tf.reduce_sum(tf.cast(y, tf.float32))
    return [tf.cast(v, tf.float32) for v in (y, slope, *outer.gradient(objective, [*w, bias]))]


@pytest.fixture(scope="module")
def weights():
    """Two kernels and a bias, rounded to bfloat16."""
    values = [tf.random.stateless_normal(shape, [5, len(shape)]) for shape in ([3, 3, 3, 4], [3, 3, 4, 4], [4])]
    *kernels, bias = (tf.cast(tf.cast(v, tf.bfloat16), tf.float32) for v in values)
    return kernels, bias


def theirs(y, bias):
    return reference.activate(y, bias, "lrelu")


@pytest.mark.parametrize("fused", [True, False])
def test_leaky_relu_has_tensorflow_s_first_and_second_derivatives(fused, weights):
    ours = slope_and_its_gradient(lambda y, b: activation.activate(y, b, "lrelu", fused), *weights)
    for a, b in zip(ours, slope_and_its_gradient(theirs, *weights), strict=True):
        assert relative_error(a, b) < 1e-6


@pytest.mark.parametrize("fused", [True, False])
def test_what_xla_compiles_is_as_near_to_float32(fused, weights, compiled):
    """As TensorFlow's kernels in bfloat16 are, and in a graph of its own as at once."""
    whole = slope_and_its_gradient(theirs, *weights)

    def ours():
        return slope_and_its_gradient(
            lambda y, b: activation.activate(y, b, "lrelu", fused), *weights, dtype=tf.bfloat16
        )

    in_graph = tf.function(ours, autograph=False)
    for found in (ours(), in_graph()):
        for a, b in zip(found, whole, strict=True):
            assert relative_error(a, b) < 0.02
    called = {node.op for node in in_graph.get_concrete_function().graph.as_graph_def().node}
    assert "LeakyReluGrad" not in called and ("LeakyRelu" in called) == fused


def test_the_compiled_gradient_is_exact(compiled):
    """At zeros of both signs, too."""
    features = tf.constant([[-2.0, -0.0, 0.0, 3.0, 1e-30, -1e-30]], tf.bfloat16)
    dy = tf.constant([[5.0, 5.0, 5.0, 5.0, -7.0, -7.0]], tf.bfloat16)
    expected = tf.cast([[1.0, 1.0, 1.0, 5.0, -7.0, -1.4]], tf.bfloat16)
    np.testing.assert_array_equal(activation._leaky_relu_grad(dy, features), expected)


def test_only_large_images_in_bfloat16_are_compiled(monkeypatch):
    monkeypatch.setattr(cpu, "has_bfloat16", lambda: True)

    def compiled(dtype, *shape):
        @tf.function(autograph=False, input_signature=[tf.TensorSpec(shape, dtype)] * 2)
        def gradient(y, dy):
            with tf.GradientTape() as tape:
                tape.watch(y)
                x = activation.activate(y, tf.zeros([shape[-1]], dtype), "lrelu", fused=False)
            return tape.gradient(x, y, output_gradients=dy)

        operations = [node.op for node in gradient.get_concrete_function().graph.as_graph_def().node]
        assert ("LeakyReluGrad" in operations) != ("PartitionedCall" in operations)
        return "PartitionedCall" in operations

    assert compiled(tf.bfloat16, 16, 64, 64, 32) and not compiled(tf.float32, 16, 64, 64, 32)
    assert not compiled(tf.bfloat16, 16, 8, 8, 32) and not compiled(tf.bfloat16, None, 64, 64, 32)
    monkeypatch.setattr(cpu, "has_bfloat16", lambda: False)
    assert not compiled(tf.bfloat16, 16, 64, 64, 32)


def test_a_compiled_step_on_one_device_and_on_two(two_replicas, monkeypatch):
    def losses(strategy=None):
        model = make(strategy, precision="bfloat16")
        for step in range(2):
            model.train_step(batch(), FIRST, 4 * step)
        return model.meters.means()

    plain = losses()
    monkeypatch.setattr(choose, "COMPILED_SIZE", 1)
    monkeypatch.setattr(cpu, "has_bfloat16", lambda: True)
    for strategy in (None, two_replicas):
        found = losses(strategy)
        assert found != plain
        assert found == pytest.approx(plain, rel=0.05, abs=0.05)
