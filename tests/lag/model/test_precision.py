"""What makes a step cheaper: the same step, to the precision that is asked for."""

import dataclasses
import functools

import numpy as np
import pytest
import tensorflow as tf

from lag.config import LAGConfig
from lag.model.costs import Plan
from lag.model.networks import Generator
from lag.model.objectives import Objectives
from lag.model.training import LAG
from lag.trained import load_trained
from libml.errors import UserError
from libml.layers.fast.convolution import FORMS
from libml.layers.scaled_conv import ScaledConv2D
from libml.system import cpu
from libml.system.devices import make_devices
from libml.system.hardware import as_if
from libml.training.schedule import Level
from tests.support.steps import FIRST, GROWING, LAST, batch, make, terms_of
from tests.support.untrained import untrained_run


def relative(a, b) -> float:
    return float(np.linalg.norm(np.asarray(a, np.float64) - b) / (np.linalg.norm(b) or 1))


@pytest.mark.parametrize("phase, nimg, on_gpus", [(GROWING, 1500, False), (LAST, 2048, True)])
def test_bfloat16_is_near_float32_and_keeps_float32_where_it_matters(phase, nimg, on_gpus):
    with as_if(on_gpus):
        whole = terms_of(make(), batch(), phase, nimg)
        half = terms_of(make(precision="bfloat16"), batch(), phase, nimg, traced=on_gpus)
    for name, value in half.losses.items():
        assert value.dtype == tf.float32 and np.isclose(value, whole.losses[name], rtol=0.02, atol=1e-3), name
    for name, grads in half.grads.items():
        assert all(g.dtype == tf.float32 for g in grads)
        assert max(relative(g, w) for g, w in zip(grads, whole.grads[name], strict=True)) < 0.25
        assert 1e-4 < relative(*(np.concatenate([np.ravel(g) for g in of]) for of in (grads, whole.grads[name]))) < 0.07
    model = make(precision="bfloat16")
    assert all(v.dtype == "float32" for v in model.generator.variables + model.projection.variables)
    lores, hires = batch()
    objectives = Objectives(model.config, model.networks, lores, hires, phase.level(nimg))
    for p in objectives.passes(objectives.generate(model.draw(lores, nimg))[0]).values():
        assert (p.image.dtype, p.delta.dtype, p.latent.dtype) == (tf.float32,) * 3


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("filters", [3, 32])
def test_a_bias_gradient_in_bfloat16_is_summed_in_float32(form, filters):
    """A sum of 1s in bfloat16 ends at 256."""
    layer = ScaledConv2D(filters, form=form, dtype="mixed_bfloat16")
    layer.build([None, None, None, 4])
    x = tf.zeros([8, 16, 16, 1 if form == "shuffled" else 4])

    @tf.function(autograph=False)
    def gradient():
        with tf.GradientTape() as tape:
            y = layer(x)
        return tape.gradient(y, layer.bias), tf.size(y) // filters

    slope, summed = gradient()
    np.testing.assert_array_equal(slope, [float(summed)] * filters)


def test_the_fade_weight_is_not_rounded_to_bfloat16():
    """Between two levels of detail closer than bfloat16 can tell apart, the image and its latent still move."""
    model, (lores, hires) = make(precision="bfloat16"), batch()
    z, no_delta = tf.zeros([4, 4, 4, 2]), tf.zeros_like(lores)
    levels = [Level(1, 2, lod) for lod in (1.5, 1.5015)]
    near, far = (model.generator(lores, z, level=level) for level in levels)
    assert np.any(near != far)
    near, far = (model.projection(hires, no_delta, level=level) for level in levels)
    assert np.any(near != far)


def test_images_are_made_in_float32_whatever_a_run_was_trained_in(tmp_path):
    run = untrained_run(tmp_path, precision="bfloat16")
    assert load_trained(run).generator.stem.compute_dtype == "float32"
    assert make(precision="bfloat16").sampling_generator.stem.compute_dtype == "float32"


def test_xla_compiles_the_second_derivative():
    plain, compiled = make(), make(jit_compile=True)
    for model in (plain, compiled):
        model.train_step(batch(), GROWING, 1500)
    for k in range(3):
        for n in "gd":  # the second moment shows the gradient that was applied
            pair = (getattr(m, f"{n}_optimizer_{k}")._velocities for m in (plain, compiled))
            for a, b in zip(*pair, strict=True):
                np.testing.assert_allclose(np.sqrt(a), np.sqrt(b), atol=1e-4 * max(np.sqrt(a).max(), 1e-3))


def test_xla_on_two_replicas(two_replicas):
    one, two = make(), make(two_replicas, jit_compile=True)
    for model in (one, two):
        model.train_step(batch(), FIRST, 0)
    assert one.meters.means() == pytest.approx(two.meters.means(), rel=1e-3, abs=1e-4)
    with pytest.raises(UserError, match="jit_compile"):
        make(two_replicas, jit_compile=True, gan_loss="relativistic")


def test_batches_are_joined_for_a_pass_on_gpus(monkeypatch):
    sizes, call = [], Generator.call

    @functools.wraps(call)
    def counted(self, lores, *args, **kwargs):
        sizes.append(lores.shape[0])
        return call(self, lores, *args, **kwargs)

    monkeypatch.setattr(Generator, "call", counted)
    for on_gpus in (False, True):
        with as_if(on_gpus):
            terms_of(make(), batch())
    assert sizes == [4, 4, 8]  # two batches apart, and then together


def needed(op: tf.Operation) -> set[str]:
    """Names of all operations that one waits for."""
    found, left = set(), [op]
    while left:
        op = left.pop()
        if op.name not in found:
            found.add(op.name)
            left += [*(x.op for x in op.inputs), *op.control_inputs]
    return found


@pytest.mark.parametrize("joined", [False, True])
def test_small_steps_look_at_real_images_once_the_penalty_is_known(joined):
    model, data = make(plan=Plan(joined, 0)), batch()

    @tf.function(autograph=False)
    def waits(lores, hires, noise):
        terms = model.step_terms(lores, hires, noise, Level(2, 2, 2.0))
        return terms.losses["gp"].op.name in needed(terms.losses["dreal"].op)

    assert bool(waits(*data, model.draw(data[0], 2048))) != joined


@pytest.mark.parametrize(
    "options, on_gpus",
    [({}, False), ({"spectral_norm": True}, False), ({"encoder": True}, True), ({"precision": "bfloat16"}, True)],
)
def test_recomputing_changes_nothing(options, on_gpus):
    with as_if(on_gpus):
        kept, recomputed = (
            terms_of(make(remat=remat, **options), batch(), traced=remat or "precision" in options)
            for remat in (False, True)
        )
    for name, grads in recomputed.grads.items():
        for a, b in zip(grads, kept.grads[name], strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5 * max(1.0, np.abs(b).max()))


def test_tf32_needs_a_gpu():
    with as_if(on_gpus=False), pytest.raises(UserError, match="tf32 is for GPUs"):
        make_devices(4, precision="tf32")


@pytest.mark.parametrize("has", [True, False])
def test_bfloat16_without_instructions_for_it_brings_a_warning(has, monkeypatch, capsys):
    monkeypatch.setattr(cpu, "has_bfloat16", lambda: has)
    for precision, on_gpus in (("float32", False), ("bfloat16", False), ("bfloat16", True)):
        with as_if(on_gpus):
            make_devices(4, precision=precision)
        warned = precision == "bfloat16" and not has and not on_gpus
        assert ("no instructions for bfloat16" in capsys.readouterr().err) is warned


def test_an_unknown_precision_is_refused():
    with pytest.raises(UserError, match="float32, bfloat16, tf32"):
        dataclasses.replace(LAGConfig(), precision="float8").validate()
    assert "precisionbfloat16" in LAGConfig(precision="bfloat16").folder.name
    assert LAG(LAGConfig(scale=2, filters=4, blocks=1), 1).config.precision == "float32"


@pytest.mark.parametrize("precision, rounds", [("float32", False), ("bfloat16", False), ("tf32", True)])
def test_only_tf32_lets_gpus_round_to_it(precision, rounds):
    tf.config.experimental.enable_tensor_float_32_execution(not rounds)
    try:
        with as_if(on_gpus=True):
            make_devices(4, precision=precision)
        assert tf.config.experimental.tensor_float_32_execution_enabled() is rounds
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(False)


def test_images_are_made_without_tf32(tmp_path):
    run = untrained_run(tmp_path, precision="float32")
    tf.config.experimental.enable_tensor_float_32_execution(True)
    load_trained(run)
    assert not tf.config.experimental.tensor_float_32_execution_enabled()
