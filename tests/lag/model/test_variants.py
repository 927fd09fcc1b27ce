"""The variants of LAG: each flag does what it says, and its step still has the right gradients."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from lag import config
from lag.config import LAGConfig
from lag.model import losses
from lag.model.fast_step import adversarial
from lag.model.objectives import up_to
from libml.errors import UserError
from libml.layers.resample import antialias_downscale2d, average_downscale2d, upscale2d
from libml.training.schedule import KIMG, Level, Phase
from tests.support.steps import FIRST, GROWING, LAST, batch, make, terms_of

VARIANTS = {
    "relativistic": {"gan_loss": "relativistic"},
    "spectral_norm": {"spectral_norm": True},
    "relativistic_spectral_norm": {"gan_loss": "relativistic", "spectral_norm": True},
    "color_round": {"color_round": 1.0},
    "encoder": {"encoder": True},
}


@pytest.mark.parametrize("name", ["reference", *VARIANTS, "first_phase"])
def test_the_fast_step_computes_the_plain_objectives(name):
    phase, nimg = (FIRST, 0) if name == "first_phase" else (GROWING, 1500)
    fast, plain = (terms_of(make(step=s, **VARIANTS.get(name, {})), batch(), phase, nimg) for s in ("fast", "plain"))
    assert set(fast.losses) == set(plain.losses) and set(fast.grads) == set(plain.grads)
    for key, value in plain.losses.items():
        assert float(fast.losses[key]) == pytest.approx(float(value), rel=1e-5, abs=1e-6), key
    for key, grads in plain.grads.items():
        for a, b in zip(fast.grads[key], grads, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5 * max(1.0, np.abs(b).max()), err_msg=key)


def test_a_run_goes_on_with_either_step():
    fast, plain = (make(step=s, gan_loss="relativistic") for s in ("fast", "plain"))
    assert fast.config.folder == plain.config.folder
    for model in (fast, plain):
        model.train_step(batch(), GROWING, 1500)
    for key, value in plain.meters.means().items():
        assert fast.meters.means()[key] == pytest.approx(value, rel=1e-5, abs=1e-6)
    for a, b in zip(fast.generator.variables, plain.generator.variables, strict=True):
        np.testing.assert_allclose(a, b, atol=2.1e-3, err_msg=a.path)  # Adam's first steps on noise


def assert_same_gradients(one, other):
    """Those of the first step: Adam's second moment after it is (1 - 0.99) g^2."""
    for name in one.networks.trained:
        for k in range(3):
            pair = (model.optimizer(name, k)._velocities for model in (one, other))
            for a, b in zip(*pair, strict=True):
                a, b = np.sqrt(a), np.sqrt(b)
                np.testing.assert_allclose(a, b, atol=1e-5 * max(a.max(), 1e-3), err_msg=name)


@pytest.mark.parametrize(
    "step, name", [("fast", "relativistic_spectral_norm"), ("fast", "encoder"), ("plain", "relativistic")]
)
def test_two_replicas_equal_one(step, name, two_replicas):
    one, two = (make(strategy, step=step, **VARIANTS[name]) for strategy in (None, two_replicas))
    for nimg in (0, 4):
        one.train_step(batch(), GROWING, nimg + 1024)
        two.train_step(batch(), GROWING, nimg + 1024)
        if nimg == 0:
            assert_same_gradients(one, two)
    for (key, a), b in zip(one.named_variables().items(), two.named_variables().values(), strict=True):
        if "adam" not in key:
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=2.5e-3, err_msg=key)  # Adam's first steps on noise
    means = one.meters.means()
    for key, value in two.meters.means().items():
        assert value == pytest.approx(means[key], rel=1e-3, abs=1e-5)


@pytest.mark.parametrize("name", losses.GAN_LOSSES)
def test_gan_losses_are_what_their_formulas_say(name):
    real, fake = np.array([0.5, -1.0, 2.0]), np.array([0.25, 1.5, -3.0])
    soft = lambda x: np.log1p(np.exp(x)).mean()  # noqa: E731
    expected = {
        "wasserstein": (-real.mean(), fake.mean(), -fake.mean()),
        "relativistic": (
            soft(fake.mean() - real),
            soft(fake - real.mean()),
            soft(real - fake.mean()) + soft(real.mean() - fake),
        ),
    }[name]
    loss, scores = losses.GAN_LOSSES[name], [tf.constant(x, tf.float32) for x in (real, fake)]
    found = [float(x) for x in (*loss.critic(*scores), loss.generator(*scores))]
    assert found == pytest.approx(expected, rel=1e-6)


def test_every_gan_loss_has_a_flag():
    assert set(losses.GAN_LOSSES) == set(config.GAN_LOSS_NAMES)


@pytest.mark.parametrize("name, slope", [("wasserstein", -1), ("relativistic", -2)])
def test_a_critic_that_is_certain_still_teaches_the_generator(name, slope):
    real, fake = tf.fill([4], 300.0), tf.fill([4], -300.0)
    with tf.GradientTape() as tape:
        tape.watch(fake)
        objective, share, values = adversarial(losses.GAN_LOSSES[name], real, fake)
    assert float(values["gfake"]) == pytest.approx({"wasserstein": 300, "relativistic": 1200}[name], rel=1e-5)
    np.testing.assert_allclose(tape.gradient(objective, fake) * share, [slope / 4] * 4, rtol=1e-5)


def test_spectral_norm_keeps_every_kernel_at_one():
    model = make(spectral_norm=True)
    for nimg in range(0, 80, 4):
        model.train_step(batch(), LAST, nimg)
    for k in range(3):
        for layer in model.projection.stage_layers(k):
            kernel = layer.effective_kernel(tf.convert_to_tensor(layer.kernel)).numpy()
            assert np.linalg.norm(kernel.reshape(-1, kernel.shape[-1]), 2) == pytest.approx(1, abs=0.1)
    assert model.meters.means()["gp"] == 0
    assert any("/u" in name for name in model.named_variables())


def test_not_progressive_trains_all_stages_for_as_long():
    growing, at_once = LAGConfig(scale=8), LAGConfig(scale=8, progressive=False)
    assert at_once.schedule().phases == (Phase(0, growing.schedule().total, 3, 3),)
    assert LAGConfig(progressive=False, total_kimg=7, training_kimg=1, transition_kimg=1).schedule().total == 7 * KIMG
    assert "progressiveFalse" in at_once.folder.name and "progressive" not in growing.folder.name


@pytest.mark.parametrize("levels", [1.0, 4.0])
def test_color_round_is_in_grey_levels(levels):
    lores, hires = batch()
    noisy = hires + tf.random.stateless_uniform(hires.shape, [3, 4], -0.3, 0.3)
    delta = losses.lores_error(lores, noisy, lambda x: average_downscale2d(x, 4), levels).numpy() * 127.5
    np.testing.assert_allclose(delta, np.rint(delta / levels) * levels, atol=1e-4)
    assert len(np.unique(np.rint(delta / levels))) > 3


def test_d_lr_mult_is_the_critics_alone():
    model, data = make(d_lr_mult=3.0), batch()
    g, d = up_to(2, model.generator), up_to(2, model.projection)
    before = [np.array(v) for v in g + d]
    model.train_step(data, LAST, 0)
    steps = [np.abs(np.array(v) - b).max() for v, b in zip(g + d, before, strict=True)]
    assert max(steps[: len(g)]) == pytest.approx(1e-3, rel=0.02)  # Adam's first step is its learning rate
    assert max(steps[len(g) :]) == pytest.approx(3e-3, rel=0.02)


@pytest.mark.parametrize("n", [2, 4, 8])
def test_antialias_equals_pillow(n):
    # Not the extremes: between its two passes Pillow rounds and cuts off at 0 and 255.
    pixels = np.random.default_rng(n).integers(60, 196, [3, 32, 48, 3], np.uint8)
    ours = np.rint(antialias_downscale2d(tf.constant(pixels, tf.float32), n))
    theirs = [Image.fromarray(p).resize((48 // n, 32 // n), Image.Resampling.BICUBIC) for p in pixels]
    assert np.abs(ours - np.stack(theirs)).max() <= 1
    constant = antialias_downscale2d(tf.fill([1, n, n, 1], 7.0), n).numpy()
    np.testing.assert_allclose(constant, 7, rtol=1e-6)


def test_antialias_of_a_repeated_image():
    x = tf.random.stateless_normal([2, 8, 8, 3], [0, 1])
    np.testing.assert_allclose(
        antialias_downscale2d(x, 8, repeat=4), antialias_downscale2d(upscale2d(x, 4), 8), atol=1e-5
    )


def test_the_encoder_learns_z():
    model, data = make(encoder=True, noise_dim=4), batch()
    lores, hires = data
    noise = model.draw(lores, 0).center
    level = Level(2, 2, 2.0)
    z, nats = model.encoder(hires, lores, noise, level=level)
    mean, _ = model.encoder(hires, lores, tf.zeros_like(noise), level=level)
    deviation = np.log((z - mean) / noise)
    expected = (np.square(mean) + np.exp(2 * deviation) - 1 - 2 * deviation) / 2
    assert float(nats) == pytest.approx(expected.sum() / len(hires), rel=1e-3)
    before = float(nats)
    for nimg in range(0, 120, 4):
        model.train_step(data, LAST, nimg)
    assert float(model.encoder(hires, lores, noise, level=level)[1]) < before
    assert any(name.startswith("encoder/") for name in model.named_variables())


@pytest.mark.parametrize(
    "options, said",
    [
        ({"gan_loss": "hinge"}, "use wasserstein or relativistic"),
        ({"step": "slow"}, "step=slow is unknown: use fast or plain"),
        ({"step": "plain", "remat": True}, "leave out --remat"),
        ({"encoder": True, "noise_dim": 0}, "noise_dim"),
        ({"color_round": 0.0}, "color_round=0.0 must be positive"),
        ({"d_lr_mult": -1.0}, "d_lr_mult=-1.0 must be positive"),
    ],
)
def test_what_cannot_be_is_refused(options, said):
    with pytest.raises(UserError, match=said):
        LAGConfig(**options).validate()
