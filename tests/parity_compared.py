"""The compared methods' part of the parity tool: their own networks and steps against the reference's arrays."""

import json
from collections import Counter

import keras
import tensorflow as tf

from edsr import EDSR, EDSRConfig
from libml.compared import ComparedMethod
from libml.layers import DOWNSCALERS
from tests.parity import Report, nhwc

BOUND = 1e-4
_REFERENCE_CLASSES = {"Conv2D": "conv2d", "BatchNormalization": "batch_normalization", "Dense": "dense"}


def reference_names(network: keras.Model, prefix: str) -> dict[str, tf.Variable]:
    """The reference's name of every variable: counted per layer class, in the order in which layers are called.

    Layers must have been made in that order.
    """
    counts, named = Counter(), {}
    for layer in network._flatten_layers(include_self=False):
        kind = _REFERENCE_CLASSES.get(type(layer).__name__)
        if kind is None:  # a block of layers
            continue
        name = f"{kind}_{counts[kind]}" if counts[kind] else kind
        counts[kind] += 1
        named |= {f"{prefix}/{name}/{v.name}": v for v in layer.variables}
    return named


def load_weights(method: ComparedMethod, golden) -> tuple[dict, dict]:
    """Puts the file's var/* into the networks; returns the generator's and the critic's name -> variable maps."""
    g = reference_names(method.generator, "sres")
    d = reference_names(method.critic, "disc") if method.critic else {}
    names = {k.removeprefix("var/") for k in golden.files if k.startswith("var/")}
    assert names == set(g) | set(d), names ^ (set(g) | set(d))
    for name, variable in (g | d).items():
        variable.assign(golden[f"var/{name}"])
    return g, d


def images(golden, config: dict) -> tuple[tf.Tensor, tf.Tensor]:
    """(lores, hires) of a file, NHWC."""
    hires = nhwc(golden["x"])
    return DOWNSCALERS[config["downscaler"]](hires, config["scale"]), hires


def compare_edsr(golden) -> Report:
    """All that an edsr_*.npz file holds against EDSR's own step."""
    c = json.loads(str(golden["config"]))
    config = EDSRConfig(scale=c["scale"], downscaler=c["downscaler"], filters=c["filters"], repeat=c["blocks"])
    method = EDSR(config, c["colors"], c["size"])
    g, _ = load_weights(method, golden)
    lores, hires = images(golden, c)

    report = Report()
    report.relative("lores", "lores", lores, nhwc(golden["lores"]), BOUND)
    report.relative("sres_op", "sres_op", method.generator(lores), nhwc(golden["sres_op"]), BOUND)
    terms = tf.function(method.step_terms, autograph=False)(lores, hires)
    report.relative("loss/mse", "mse", terms.losses["gmse"], golden["loss/mse"], BOUND)
    for name, gradient in zip(g, terms.grad_g, strict=True):
        report.relative("grad_g", name, gradient, golden[f"grad_g/{name}"], BOUND)
    return report


COMPARISONS = {"edsr": compare_edsr}
