"""Compares the project's own networks and training step with arrays that the reference computed.

    python -m tests.parity FILE.npz ...

Prints the largest relative error, max |a - b| / max |b|, of each group and exits with 1 when one is out of bounds.
"""

import dataclasses
import json
import os
import sys
from collections import defaultdict
from collections.abc import Mapping

from libml.system.environment import DEFAULTS

os.environ.update(DEFAULTS | os.environ)

import numpy as np
import tensorflow as tf

from lag.config import LAGConfig
from lag.formats import tf1
from lag.model.objectives import CriticPass, Noise, Objectives
from lag.model.training import LAG
from libml.layers.resample import DOWNSCALERS, upscale2d
from libml.system.hardware import as_if
from libml.training.schedule import Level

RELATIVE = 2e-5  # bound of every group but the weights after a step
LR = 1e-3  # the reference's default; its files do not say it
WAYS = {"fast, for CPUs": ("fast", False), "fast, for GPUs": ("fast", True), "plain": ("plain", False)}


def nhwc(x: np.ndarray) -> tf.Tensor:
    """An NCHW array as a float32 NHWC tensor."""
    return tf.constant(np.transpose(x, [0, 2, 3, 1]), tf.float32)


def relative_error(ours, theirs: np.ndarray) -> float:
    """max |a - b| / max |b|; absolute where the reference is 0 throughout."""
    ours, theirs = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    assert ours.shape == theirs.shape, (ours.shape, theirs.shape)
    return float(np.max(np.abs(ours - theirs)) / (np.max(np.abs(theirs)) or 1.0))


class Report:
    """The worst error of each group beside its bound."""

    def __init__(self):
        self.rows = defaultdict(lambda: [0.0, 0.0, ""])

    def add(self, group: str, name: str, error: float, bound: float = RELATIVE) -> None:
        """Keeps `error` if it is the group's worst."""
        row = self.rows[group]
        error = float("inf") if np.isnan(error) else error
        if error >= row[0]:
            row[:] = [error, bound, name]

    def relative(self, group: str, name: str, ours, theirs, bound: float = RELATIVE) -> None:
        """Adds a relative error."""
        self.add(group, name, relative_error(ours, theirs), bound)

    @property
    def ok(self) -> bool:
        """Whether every group is within its bound."""
        return bool(self.rows) and all(error <= bound for error, bound, _ in self.rows.values())

    def __str__(self) -> str:
        lines = [f"{'group':<16}{'error':>10}{'bound':>10}  worst"]
        for group, (error, bound, name) in self.rows.items():
            flag = "" if error <= bound else "  <-- out of bounds"
            lines.append(f"{group:<16}{error:>10.1e}{bound:>10.0e}  {name}{flag}")
        return "\n".join(lines)


def load_weights(model: LAG, golden, lod_stop: int, shadow_factor: float = 0.9) -> tuple[dict, dict]:
    """Puts the file's var/* into G and P, and 0.9 of them into the shadows; returns the two name -> variable maps."""
    g = tf1.generator_names(model.generator, lod_stop)
    d = tf1.critic_names(model.projection, lod_stop)
    names = {k.removeprefix("var/") for k in golden.files if k.startswith("var/")}
    assert names == set(g) | set(d), names ^ (set(g) | set(d))
    for name, variable in (g | d).items():
        variable.assign(golden[f"var/{name}"])
    for name, variable in tf1.generator_names(model.ema, lod_stop).items():
        variable.assign(shadow_factor * golden[f"var/{name}"])
    return g, d


def _passes(model: LAG, lores, hires, noise: Noise, level: Level) -> dict[str, CriticPass]:
    """What P receives and returns in a step: of real, fake (z = 0), fake_z and mixed."""
    objectives = Objectives(model.config, model.networks, lores, hires, level)
    images, _ = objectives.generate(noise)
    mixed = objectives.project(objectives.between(images["fake_z"], noise.rho), lores)
    return objectives.passes(images) | {"mixed": mixed}


def compare_lag(golden, precision: str = "float32", ways: Mapping[str, tuple[str, bool]] = WAYS) -> Report:
    """All that a lag_*.npz file holds against LAG's step in a precision: fast, both ways that there are, and plain."""
    c = json.loads(str(golden["config"]))
    options = ("scale", "downscaler", "batch", "blocks", "filters", "filters_min", "noise_dim")
    options += ("wass_target", "mse_weight", "ttur", "weight_avg")
    model = LAG(LAGConfig(lr=LR, precision=precision, **{k: c[k] for k in options}), c["colors"])
    lod_stop = c["lod_stop"]
    level = Level(c["lod_start"], lod_stop, tf.constant(golden["lod"], tf.float32))
    g, d = load_weights(model, golden, lod_stop)
    hires, z, rho = (nhwc(golden[k]) for k in ("x", "eps", "mix"))
    lores = DOWNSCALERS[c["downscaler"]](hires, c["scale"])

    report = Report()
    report.relative("lores", "lores", lores, nhwc(golden["lores"]))
    report.relative("upscale_op", "upscale_op", upscale2d(lores, c["scale"]), nhwc(golden["upscale_op"]))
    for noise in (0, 1):
        image = model.sampling_generator(lores, noise * z, level=level)
        image = upscale2d(image, c["scale"] * lores.shape[1] // image.shape[1])
        report.relative("sres_op", f"noise{noise}", image, nhwc(golden[f"sres_op/noise{noise}"]))

    # z and rho are arguments of the step that training itself traces. The others take less time as they are.
    found = {}
    for name, (step, on_gpus) in ways.items():
        model.config = dataclasses.replace(model.config, step=step)
        with as_if(on_gpus):
            traced = tf.function(model.step_terms, autograph=False) if (step, on_gpus) == ("fast", False) else None
            found[name] = (traced or model.step_terms)(lores, hires, Noise(z, rho), level)
    model.config = dataclasses.replace(model.config, step="fast")
    for ours, p in _passes(model, lores, hires, Noise(z, rho), level).items():
        theirs = {"fake_z": "fake_eps"}.get(ours, ours)
        report.relative("disc_in", theirs, p.image, nhwc(golden[f"disc_in/{theirs}"]))
        report.relative("disc_delta", theirs, p.delta, nhwc(golden[f"disc_delta/{theirs}"]))
        report.relative(f"latent/{theirs}", theirs, p.latent, nhwc(golden[f"latent/{theirs}"]))
        if ours.startswith("fake"):
            report.relative(theirs, theirs, p.image, nhwc(golden[theirs]))
    for way, terms in found.items():
        values = dict(terms.losses, mse_ema=terms.losses["mse"] / 127.5**2)
        for name in ("dreal", "dfake", "gp", "gfake", "gmse", "mse_ema"):
            report.relative(f"loss/{name}", f"{name}, {way}", values[name], golden[f"loss/{name}"])
        for group, names, key in (("grad_d", d, "projection"), ("grad_g", g, "generator")):
            for name, gradient in zip(names, terms.grads[key], strict=True):
                report.relative(group, f"{name}, {way}", gradient, golden[f"{group}/{name}"])

    tf.function(model.apply_step, autograph=False)(lores, hires, Noise(z, rho), level)
    for group, names in (("grad_d", d), ("grad_g", g)):
        for name, variable in names.items():
            # Where a gradient is 0 but for rounding, Adam's first step is noise of either sign.
            noise = np.abs(golden[f"{group}/{name}"]) < 1e-5
            difference = np.abs(np.asarray(variable) - golden[f"var_step1/{name}"])
            report.add("var_step1", name, float(np.max(difference * ~noise)), 1e-6)
            report.add("var_step1 ~ 0", name, float(np.max(difference * noise)), 2 * LR)
    # The reference formed the shadows from the weights before the step.
    bound = 2 * (1 - c["weight_avg"]) * LR + 1e-6
    for name, variable in tf1.generator_names(model.ema, lod_stop).items():
        report.add("ema_step1", name, float(np.max(np.abs(np.asarray(variable) - golden[f"ema_step1/{name}"]))), bound)
    return report


def compare(golden) -> Report:
    """A file of any method against our own step of that method."""
    from tests import parity_compared

    model = json.loads(str(golden["config"])).get("model", "lag") if "config" in golden.files else "spectral_norm"
    return {"lag": compare_lag, **parity_compared.COMPARISONS}[model](golden)


def main(paths: list[str]) -> int:
    """Compares each file; 0 if all are within bounds."""
    if not paths:
        print(__doc__, file=sys.stderr)
        return 2
    ok = True
    for path in paths:
        with np.load(path) as golden:
            report = compare(golden)
        print(f"{path}\n{report}\n")
        ok &= report.ok
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
