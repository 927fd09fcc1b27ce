"""Primitives against the reference's arrays, and their derivatives."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from lag.model.losses import straight_through_round
from libml.layers import scaled_conv as layers
from libml.layers.downscalers import LEAST_LORES
from libml.layers.resample import (
    DOWNSCALERS,
    bicubic_downscale2d,
    blend,
    channels_to_space,
    downscale2d,
    remove_details2d,
    space_to_channels,
    upscale2d,
)
from tests.parity import nhwc, relative_error
from tests.support import GOLDEN

GOLDEN = GOLDEN / "layers.npz"
PRIMITIVES = {
    "downscale2d": downscale2d,
    "bicubic_downscale2d": bicubic_downscale2d,
    "upscale2d": upscale2d,
    "remove_details2d": remove_details2d,
    "space_to_channels": space_to_channels,
    "channels_to_space": channels_to_space,
    "straight_through_round": lambda x, n: straight_through_round(x),
}


@pytest.mark.parametrize("name", PRIMITIVES)
def test_primitive_equals_reference(name):
    checked = 0
    with np.load(GOLDEN) as golden:
        for case in sorted({k.split("/")[0] for k in golden.files}):
            if f"{case}/{name}" in golden.files:
                ours = PRIMITIVES[name](nhwc(golden[f"{case}/x"]), int(golden[f"{case}/n"]))
                assert relative_error(ours, nhwc(golden[f"{case}/{name}"])) < 2e-5
                checked += 1
    assert checked >= 2


def test_shuffles_are_inverse_and_not_space_to_depth():
    x = tf.reshape(tf.range(2 * 4 * 6 * 3.0), [2, 4, 6, 3])
    packed = space_to_channels(x)
    np.testing.assert_array_equal(channels_to_space(packed), x)
    assert np.any(packed != tf.nn.space_to_depth(x, 2))


@pytest.mark.parametrize("downscaler", DOWNSCALERS.values())
@pytest.mark.parametrize("repeat", [2, 4])
def test_downscaling_a_repeated_image_needs_no_repeating(downscaler, repeat):
    x = tf.random.stateless_uniform([2, 32 // repeat, 48 // repeat, 3], [1, 2])
    np.testing.assert_allclose(downscaler(x, 4, repeat), downscaler(upscale2d(x, repeat), 4), atol=1e-6)


def test_downscalers_have_names_for_those_without_tensorflow_and_make_their_least_images():
    assert list(LEAST_LORES) == list(DOWNSCALERS)
    for name, least in LEAST_LORES.items():
        DOWNSCALERS[name](tf.zeros([1, 4 * least, 4 * least, 3]), 4)
        if least > 1:
            with pytest.raises(ValueError, match=f"{name} downscaling by 4 needs"):
                DOWNSCALERS[name](tf.zeros([1, 4 * least - 4, 4 * least, 3]), 4)


def test_bicubic_refuses_what_it_cannot_reflect():
    with pytest.raises(ValueError, match="above 16"):
        bicubic_downscale2d(tf.zeros([1, 16, 16, 3]), 8)


def test_box_means_refuse_a_remainder():
    with pytest.raises(ValueError, match="3 x 3"):
        downscale2d(tf.zeros([1, 16, 16, 3]), 3)


def test_straight_through_round_ties_to_even_and_passes_gradients():
    quantum = 4 / 127.5
    x = tf.constant([0.5, 1.5, 2.5, -0.5, 0.3]) * quantum
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = straight_through_round(x)
        total = tf.reduce_sum(y * [1.0, 2.0, 3.0, 4.0, 5.0])
    np.testing.assert_allclose(y / quantum, [0, 2, 2, 0, 0], atol=1e-6)
    np.testing.assert_array_equal(tape.gradient(total, x), [1, 2, 3, 4, 5])


def test_blend_ends():
    low, high = tf.constant([1.0, 2.0]), tf.constant([3.0, 5.0])
    np.testing.assert_array_equal(blend(low, high, 0.0), low)
    np.testing.assert_array_equal(blend(low, high, 1.0), high)
    np.testing.assert_array_equal(blend(low, high, 0.25), [1.5, 2.75])


def test_upscale2d_has_the_gradient_of_its_definition():
    x = tf.random.stateless_normal([2, 3, 5, 2], [1, 1])
    weights = tf.random.stateless_normal([2, 6, 10, 2], [2, 2])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        ours = tf.reduce_sum(upscale2d(x) ** 2 * weights)
        theirs = tf.reduce_sum(tf.repeat(tf.repeat(x, 2, 1), 2, 2) ** 2 * weights)
    np.testing.assert_allclose(tape.gradient(ours, x), tape.gradient(theirs, x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("activation", ["linear", "relu", "lrelu"])
def test_scaled_convolution_keeps_unit_variance(activation):
    layer = layers.ScaledConv2D(256, activation, seed=1)
    x = tf.random.stateless_normal([4, 16, 16, 64], [1, 2])
    y = layer(x)[:, 1:-1, 1:-1]  # the border sees fewer inputs
    # The mean square is kept: 1 through a linear convolution, and what He's rule promises behind a rectifier.
    assert abs(float(tf.reduce_mean(y**2)) - 1) < 0.1
    assert np.all(np.asarray(layer.bias) == 0)


PLAIN = {
    "plain": lambda x: x,
    "upscaled": upscale2d,
    "shuffled": space_to_channels,
}


@pytest.mark.parametrize("form", PLAIN)
def test_forms_equal_the_operation_before_a_plain_convolution(form):
    """Images, first derivatives, and (but for the generator's upscaling) the derivatives of those."""
    x = tf.random.stateless_normal([2, 6, 8, 3], [1, 2])
    fused, plain = (layers.ScaledConv2D(5, "lrelu", form=f, seed=3) for f in (form, "plain"))
    channels = PLAIN[form](x).shape[-1]
    for layer in (fused, plain):
        layer.build((None, None, None, channels))
        layer.bias.assign(tf.random.stateless_normal([5], [3, 4]))

    def derivatives(run, layer):
        weights = [layer.kernel.value, layer.bias.value]
        with tf.GradientTape() as outer:
            with tf.GradientTape(persistent=True) as inner:
                inner.watch(x)
                y = run(x)
                total = tf.reduce_sum(tf.sin(y))
            slope = inner.gradient(total, x)
            first = inner.gradient(total, weights)
            penalty = tf.reduce_sum(tf.square(slope))
        second = outer.gradient(penalty, weights) if form != "upscaled" else []
        return [y, slope, *first, *second]

    theirs = derivatives(lambda x: plain(PLAIN[form](x)), plain)
    for a, b in zip(derivatives(fused, fused), theirs, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-5 * np.abs(b).max())


def test_unknown_forms_and_activations_are_refused():
    with pytest.raises(ValueError, match="form must be one of"):
        layers.ScaledConv2D(4, form="sideways")
    with pytest.raises(ValueError, match="activation must be one of"):
        layers.ScaledConv2D(4, "gelu")


def test_kernels_are_scaled_in_float32_and_then_cast():
    """Inside another layer's call as well, which has Keras read variables in bfloat16."""

    class Outer(keras.Model):
        def call(self, x):
            return self.inner.effective_weights()[0]

    outer = Outer(dtype="mixed_bfloat16")
    outer.inner = layers.ScaledConv2D(8, "lrelu", seed=3, dtype="mixed_bfloat16")
    outer.inner.build([None, None, None, 4])
    expected = tf.cast(np.asarray(outer.inner.kernel) * outer.inner.scale, tf.bfloat16)
    np.testing.assert_array_equal(outer(tf.zeros([1, 1, 1, 4])), expected)


@pytest.mark.parametrize("n", [2, 3])
def test_box_means_have_the_gradient_of_their_definition(n):
    x = tf.random.stateless_normal([2, 2 * n, 3 * n, 2], [1, 1])
    weights = tf.random.stateless_normal([2, 2, 3, 2], [2, 2])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        ours = tf.reduce_sum(downscale2d(x, n) ** 2 * weights)
        theirs = tf.reduce_sum(tf.reduce_mean(tf.reshape(x, [2, 2, n, 3, n, 2]), [2, 4]) ** 2 * weights)
    np.testing.assert_allclose(tape.gradient(ours, x), tape.gradient(theirs, x), rtol=1e-5, atol=1e-6)
