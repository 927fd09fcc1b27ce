"""The training step: optimizers, moving average, phases, devices."""

import math

import numpy as np
import pytest
import tensorflow as tf

from lag.config import LAGConfig
from lag.model.training import LAG, METRICS
from lag.performance.workers import messages
from libml.layers.resample import average_downscale2d
from libml.system.hardware import as_if
from libml.training.schedule import Level, Phase
from tests.support.images import TINY, blobs

LOD1, GROWING, LOD2 = Phase(0, 1024, 1, 1), Phase(1024, 2048, 1, 2), Phase(2048, 3072, 2, 2)


def make(strategy=None, **options) -> LAG:
    return LAG(LAGConfig(**{**TINY, **options}), 3, strategy)


def batch(count=4, size=16, seed=0):
    hires = tf.constant(blobs(count, size, seed=seed) / np.float32(127.5) - 1, tf.float32)
    return average_downscale2d(hires, 4), hires


def values(variables) -> list[np.ndarray]:
    return [np.array(v) for v in variables]


def all_values(model) -> list[np.ndarray]:
    return values(tf.Module.variables.fget(model)) + values(
        v for k in range(3) for n in "gd" for v in getattr(model, f"{n}_optimizer_{k}").variables
    )


def gradients(model, phase, nimg, data):
    terms = model.step_terms(*data, model.draw(data[0], nimg), phase.level(nimg))
    return {name: values(grads) for name, grads in terms.grads.items()}


def stage_slices(model, name, lod_stop):
    network = model.networks.trained[name]
    start = 0
    for k in range(lod_stop + 1):
        yield k, slice(start, start + len(network.stage_variables(k)))
        start += len(network.stage_variables(k))


def test_adam_counts_steps_per_stage_and_keeps_old_moments():
    """Steps in two phases against Adam written out: a new stage starts at t = 0 beside the old ones' moments."""
    model, data = make(), batch()
    names = {n: m.variables_up_to for n, m in model.networks.trained.items()}
    moments, steps = {}, {}
    for i, phase in enumerate([LOD1, LOD1, GROWING, GROWING]):
        nimg = phase.nimg_start + 100 * i
        before = {n: values(variables(phase.lod_stop)) for n, variables in names.items()}
        grads = gradients(model, phase, nimg, data)
        model.train_step(data, phase, nimg)
        for n, variables in names.items():
            after = values(variables(phase.lod_stop))
            for k, span in stage_slices(model, n, phase.lod_stop):
                t = steps[n, k] = steps.get((n, k), 0) + 1
                for j in range(*span.indices(len(after))):
                    v = moments[n, j] = 0.99 * moments.get((n, j), 0.0) + 0.01 * grads[n][j] ** 2
                    step = 1e-3 * np.sqrt(1 - 0.99**t) * grads[n][j] / (np.sqrt(v) + 1e-8)
                    sure = np.abs(grads[n][j]) > 1e-4  # elsewhere rounding of a vanishing gradient shows
                    np.testing.assert_allclose((after[j] - before[n][j])[sure], -step[sure], rtol=2e-2, atol=2e-6)
                assert int(model.optimizer(n, k).iterations) == t
    assert steps["generator", 0] == 4 and steps["generator", 2] == 2


def test_moving_average_follows_the_weights_of_live_stages():
    model, data = make(weight_avg=0.9), batch()
    for k in range(3):
        for shadow, weight in zip(model.ema.stage_variables(k), model.generator.stage_variables(k), strict=True):
            np.testing.assert_array_equal(shadow, weight)
    expected = values(model.ema.stage_variables(1))
    for nimg in (0, 4):
        model.train_step(data, LOD1, nimg)
        expected = [
            0.9 * e + 0.1 * w for e, w in zip(expected, values(model.generator.stage_variables(1)), strict=True)
        ]
    for shadow, e in zip(model.ema.stage_variables(1), expected, strict=True):
        np.testing.assert_allclose(shadow, e, rtol=1e-5, atol=1e-6)
    # A stage that has not appeared is untouched, so its shadow still starts where it will.
    for shadow, weight in zip(model.ema.stage_variables(2), model.generator.stage_variables(2), strict=True):
        np.testing.assert_array_equal(shadow, weight)


def test_no_moving_average_samples_the_raw_weights():
    model = make(weight_avg=0.0)
    model.train_step(batch(), LOD1, 0)
    assert model.sampling_generator is model.generator


def test_stages_that_have_not_appeared_do_not_train():
    model = make()
    before = values(model.generator.stage_variables(2)) + values(model.projection.stage_variables(2))
    model.train_step(batch(), LOD1, 0)
    after = values(model.generator.stage_variables(2)) + values(model.projection.stage_variables(2))
    for a, b in zip(after, before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_one_trace_a_phase():
    model, data = make(), batch()
    for nimg in (0, 4, 8):
        model.train_step(data, LOD1, nimg)
    for nimg in (1024, 1500, 2000):
        model.train_step(data, GROWING, nimg)
    model.train_step(data, LOD2, 2048)
    assert model._train.experimental_get_tracing_count() == 3


def test_metrics_are_means_since_the_last_reset():
    model, data = make(), batch()
    seen = []
    for nimg in (0, 4):
        model.meters.reset()
        model.train_step(data, LOD1, nimg)
        seen.append(model.meters.means())
    model = make()
    for nimg in (0, 4):
        model.train_step(data, LOD1, nimg)
    means = model.meters.means()
    assert set(means) == {*METRICS, "gap"}
    assert means["gap"] == pytest.approx(-means["dreal"] - means["dfake"])
    for name in METRICS:
        assert means[name] == pytest.approx((seen[0][name] + seen[1][name]) / 2, rel=1e-4, abs=1e-5)
    assert means["gfake"] == pytest.approx(-means["dfake"])


def test_noise_depends_on_position_and_seed_only():
    data = batch()
    z, rho = make().draw(data[0], 64)[:2]
    np.testing.assert_array_equal(z, make().draw(data[0], 64).z)
    assert np.any(z != make().draw(data[0], 68).z) and np.any(z != make(seed=1).draw(data[0], 64).z)
    assert np.all((rho >= 0) & (rho < 1)) and z.shape == (4, 4, 4, 2) and rho.shape == (4, 1, 1, 1)


@pytest.mark.parametrize("on_gpus", [False, True])
def test_every_variable_is_in_the_checkpoint_and_a_step_goes_on_bit_for_bit(on_gpus, tmp_path):
    with as_if(on_gpus):
        _assert_goes_on(tmp_path)


def _assert_goes_on(tmp_path):
    model = make()
    for phase in (LOD1, LOD2):
        model.train_step(batch(), phase, phase.nimg_start)
    path = tf.train.Checkpoint(method=model).write(str(tmp_path / "model"))
    wanted = all_values(model)
    other = make(seed=7)
    assert not all(np.array_equal(a, b) for a, b in zip(all_values(other), wanted, strict=True))
    tf.train.Checkpoint(method=other).read(path).assert_consumed()
    for a, b in zip(all_values(other), wanted, strict=True):
        np.testing.assert_array_equal(a, b)
    other.config = model.config  # the seed, of which the noise is made
    for one in (model, other):
        one.train_step(batch(seed=1), LOD2, LOD2.nimg_start + 4)
    assert not all(np.array_equal(a, b) for a, b in zip(all_values(other), wanted, strict=True))
    for a, b in zip(all_values(other), all_values(model), strict=True):
        np.testing.assert_array_equal(a, b)
    # 3 networks, 2 moments a trained weight, one count and one rate an optimizer, the metrics.
    weights = len(model.generator.variables) * 2 + len(model.projection.variables)
    moments = 2 * (len(model.generator.variables) + len(model.projection.variables))
    stored = [
        n
        for n, _ in tf.train.list_variables(path)
        if "OBJECT_GRAPH" not in n and n != "save_counter/.ATTRIBUTES/VARIABLE_VALUE"
    ]
    assert len(stored) >= weights + moments + 2 * 3 + 2


def test_two_replicas_take_the_first_step_of_one(two_replicas):
    """The second moment after one step is (1 - 0.99) g^2: it shows the gradient that was applied."""
    one, two, data = make(), make(two_replicas), batch()
    for model in (one, two):
        model.train_step(data, GROWING, 1500)
    for k in range(3):
        for n in "gd":
            for a, b in zip(
                getattr(one, f"{n}_optimizer_{k}")._velocities,
                getattr(two, f"{n}_optimizer_{k}")._velocities,
                strict=True,
            ):
                a, b = np.sqrt(a), np.sqrt(b)
                np.testing.assert_allclose(a, b, atol=1e-5 * max(a.max(), 1e-3))
    assert one.meters.means() == pytest.approx(two.meters.means(), rel=1e-5, abs=1e-6)
    step = two._traced(*(tuple(images.shape) for images in data), 1, 2)
    weights = [v for net in (two.generator, two.projection) for v in net.variables]
    assert messages(step) == [4 * (sum(math.prod(v.shape) for v in weights) + 6)]  # gradients and losses in one


def test_two_replicas_follow_one_for_fifty_steps(two_replicas):
    one, two = make(), make(two_replicas)
    for nimg in range(0, 200, 4):
        data = batch(seed=nimg)
        one.train_step(data, LOD1, nimg)
        two.train_step(data, LOD1, nimg)
    a, b = one.meters.means(), two.meters.means()
    for name in METRICS:
        assert a[name] == pytest.approx(b[name], rel=1e-2), name


def test_replicas_hold_the_same_weights(two_replicas):
    model = make(two_replicas)
    model.train_step(batch(), LOD1, 0)
    for v in [*model.generator.variables, *model.ema.variables, *model.projection.variables]:
        a, b = v.value.values
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("phase, nimg", [(GROWING, 1536), (LOD2, 2048)])
def test_rmse_ema_is_that_of_the_moving_average(phase, nimg):
    """Not of the weights in training; against the real image of the phase, in grey levels."""
    model, (lores, hires) = make(), batch()
    for v in model.ema.variables:
        v.assign(v + tf.random.stateless_normal(v.shape, [1, 2]))
    fade = (nimg - phase.nimg_start) / 1024 if phase is GROWING else 1.0
    real = np.array(hires)
    real = fade * real + (1 - fade) * real.reshape(4, 8, 2, 8, 2, 3).mean((2, 4)).repeat(2, axis=1).repeat(2, axis=2)
    level = Level(phase.lod_start, 2, phase.lod(nimg))
    average, raw = (
        127.5 * np.sqrt(np.mean(np.square(network(lores, tf.zeros([4, 4, 4, 2]), level=level) - real)))
        for network in (model.ema, model.generator)
    )
    assert abs(average - raw) > 1
    assert model.report((lores, hires), phase, nimg) == {"rmse_ema": pytest.approx(average, rel=1e-4), "lod": 1 + fade}


def test_every_draw_depends_on_position_and_seed():
    lores, _ = batch()
    drawing = {"encoder": True, "energy_balance": 1.0}  # all that a step can draw
    noise = make(**drawing).draw(lores, 64)
    for name, other in (
        ("position", make(**drawing).draw(lores, 68)),
        ("seed", make(**drawing, seed=1).draw(lores, 64)),
    ):
        for a, b in zip(noise, other, strict=True):
            assert np.all(a != b), name
    assert np.all(noise.z != noise.center) and np.all(noise.z != noise.second)
