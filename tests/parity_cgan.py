"""cGAN's and spectral normalisation's part of the parity tool."""

import json

import tensorflow as tf

from cgan import CGAN, CGANConfig
from libml.layers.spectral_norm import SpectralNormConv2D, SpectralNormDense
from tests import parity_compared
from tests.parity import Report, nhwc

BOUND = 1e-4
GRAD_D_BOUND = 5e-5  # the reference's own float32 rounding


def compare_spectral_norm(golden) -> Report:
    """Both layers over two passes of spectral_norm.npz, u written after each."""
    x = tf.constant(golden["x"])
    conv = SpectralNormConv2D(golden["conv"].shape[-1], 3, padding="same")
    dense = SpectralNormDense(golden["dense"].shape[-1])
    inputs = {"conv": x, "dense": tf.reshape(x, [x.shape[0], -1])[:, :10]}
    report = Report()
    for layer, out, name in ((conv, "conv", "conv2d_spectral_norm"), (dense, "dense", "dense_spectral_norm")):
        layer.build(inputs[out].shape)
        for v in layer.variables:
            v.assign(golden[f"var/{name}/{v.name}"])
        report.relative("first pass", out, layer(inputs[out]), golden[out])
        layer.update_u()
        for v in layer.variables:
            report.relative("var_updated", f"{name}/{v.name}", v, golden[f"var_updated/{name}/{v.name}"])
        report.relative("second pass", f"{out}2", layer(inputs[out]), golden[f"{out}2"])
    return report


def compare_cgan(golden) -> Report:
    """All that a cgan_*.npz file holds against the terms of cGAN's own step."""
    c = json.loads(str(golden["config"]))
    names = ("scale", "downscaler", "batch", "blocks", "filters", "noise", "lr_decay")
    method = CGAN(CGANConfig(**{name: c[name] for name in names}), c["colors"], c["size"])
    g, d = parity_compared.load_weights(method, golden)
    lores, hires = parity_compared.images(golden, c)
    noise = [tf.constant(golden[f"eps/{i}"]) for i in range(len(method.generator.noise_shapes(1, 1)))]

    report = Report()
    report.relative("lores", "lores", lores, nhwc(golden["lores"]), BOUND)
    image = method.generator(lores, *(tf.zeros_like(z) for z in noise))
    report.relative("sres_op", "sres_op", image, nhwc(golden["sres_op"]), BOUND)

    losses, grad_d = tf.function(method.critic_terms, autograph=False)(lores, hires, *noise)
    parity_compared.compare_moving(report, g, golden, passes=1)
    for name in (name for name, v in d.items() if not v.trainable):
        report.relative("u", name, d[name], golden[f"var_updated/{name}"], BOUND)
    parity_compared.load_weights(method, golden)  # so that the generator's terms start from the same u
    generator_losses, grad_g, fake = tf.function(method.generator_terms, autograph=False)(lores, *noise)
    for name, value in (losses | generator_losses).items():
        report.relative(f"loss/{name}", name, value, golden[f"loss/{name}"], BOUND)
    report.relative("loss/mse", "mse", tf.reduce_mean(tf.square(fake - hires)), golden["loss/mse"], BOUND)
    parity_compared.compare_gradients(report, "grad_g", g, grad_g, golden)
    for name, gradient in zip((name for name, v in d.items() if v.trainable), grad_d, strict=True):
        report.relative("grad_d", name, gradient, golden[f"grad_d/{name}"], GRAD_D_BOUND)
    return report
