"""The compared methods' part of the parity tool: their own networks and steps against the reference's arrays."""

import functools
import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from edsr import EDSR, EDSRConfig
from libml.compared.adversarial import AdversarialMethod
from libml.compared.method import ComparedMethod
from libml.layers.resample import DOWNSCALERS
from srgan import SRGAN
from srgan2 import SRGAN2
from tests import parity_cgan
from tests.parity import Report, nhwc

BOUND = 1e-4
VGG = (
    Path(__file__).parent / "golden" / "vgg19_tiny.npy"
)  # the random weights, up to conv2_2, that the files were made with
_REFERENCE_CLASSES = {
    "Conv2D": "conv2d",
    "Dense": "dense",
    "BatchNormalization": "batch_normalization",
    "SpectralNormConv2D": "conv2d_spectral_norm",
    "SpectralNormDense": "dense_spectral_norm",
}


def _leaves(layer: keras.Layer) -> Iterator[keras.Layer]:
    """The layers without layers of their own, in the order in which they were made."""
    for child in layer._layers:
        yield from _leaves(child) if child._layers else (child,)


def reference_names(network: keras.Model, prefix: str) -> dict[str, tf.Variable]:
    """The reference's name of every variable: counted per layer class, in the order in which layers are called.

    Layers must have been made in that order.
    """
    counts, named = Counter(), {}
    for layer in _leaves(network):
        kind = _REFERENCE_CLASSES[type(layer).__name__]
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


def compare_gradients(report: Report, group: str, names: dict, grads: Sequence[tf.Tensor], golden) -> None:
    """Compares gradients by name; those that are 0 but for rounding, beside the network's largest, absolutely."""
    trained = [name for name, variable in names.items() if variable.trainable]
    theirs = {name: golden[f"{group}/{name}"] for name in trained}
    largest = max(np.max(np.abs(value)) for value in theirs.values())
    for name, gradient in zip(trained, grads, strict=True):
        if np.max(np.abs(theirs[name])) < 1e-6 * largest:
            report.add(f"{group} ~ 0", name, float(np.max(np.abs(gradient - theirs[name])) / largest), 1e-6)
        else:
            report.relative(group, name, gradient, theirs[name], BOUND)


def compare_moving(report: Report, names: dict, golden, passes: int) -> None:
    """Compares what a step has added to moving statistics. names: those of a network that the step took `passes` of."""
    for name, variable in names.items():
        if variable.trainable:
            continue
        kept, kind = golden[f"var/{name}"] * 0.99**passes, name.rsplit("/", 1)[1]
        ours, theirs = np.asarray(variable) - kept, golden[f"var_updated/{name}"] - kept
        if kind == "moving_variance":
            # The reference's variance is M / (M - 1) times ours, with M values a channel: those of the images, halved
            # some times.
            n, side = golden["x"].shape[0], golden["x"].shape[-1]
            shares = (1 - 1 / (n * (side >> k) ** 2) for k in range(side.bit_length()) if n * (side >> k) > 1)
            theirs = theirs * min(shares, key=lambda share: np.abs(ours - share * theirs).max())
        # Variances of almost 0, less what was kept, leave few digits.
        report.relative(kind, name, ours, theirs, 5e-4 if kind == "moving_variance" else BOUND)


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
    compare_gradients(report, "grad_g", g, terms.grad_g, golden)
    return report


def compare_adversarial(golden, kind: type[AdversarialMethod]) -> Report:
    """All that an srgan_*.npz or srgan2_*.npz file holds against the method's own step."""
    c = json.loads(str(golden["config"]))
    names = ("scale", "downscaler", "filters", "blocks", "adv_weight", "pcp_weight", "layer_name", "lr_decay")
    config = kind.config_type(**{name: c[name] for name in names})
    with tempfile.TemporaryDirectory() as data_dir:
        (Path(data_dir) / "Models").mkdir()
        shutil.copy(VGG, Path(data_dir) / "Models" / "vgg19.npy")
        method = kind(config, c["colors"], c["size"], data_dir=data_dir)
    g, d = load_weights(method, golden)
    lores, hires = images(golden, c)

    report = Report()
    report.relative("lores", "lores", lores, nhwc(golden["lores"]), BOUND)
    report.relative("sres_op", "sres_op", method.generator(lores), nhwc(golden["sres_op"]), BOUND)
    terms = tf.function(method.step_terms, autograph=False)(lores, hires)
    for name in method.metrics:
        report.relative(f"loss/{name}", name, terms.losses[name], golden[f"loss/{name}"], BOUND)
    compare_gradients(report, "grad_g", g, terms.grad_g, golden)
    compare_gradients(report, "grad_d", d, terms.grad_d, golden)
    compare_moving(report, g, golden, passes=1)
    compare_moving(report, d, golden, passes=2)
    return report


COMPARISONS = {
    "edsr": compare_edsr,
    "srgan": functools.partial(compare_adversarial, kind=SRGAN),
    "srgan2": functools.partial(compare_adversarial, kind=SRGAN2),
    # parity_cgan needs this module, so its functions may not be there yet.
    "cgan": lambda golden: parity_cgan.compare_cgan(golden),
    "spectral_norm": lambda golden: parity_cgan.compare_spectral_norm(golden),
}
