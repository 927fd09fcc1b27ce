"""The variants of LAG: each flag does what it says, and its step still has the right gradients."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from lag import config
from lag.config import LAGConfig
from lag.model import losses
from lag.model.fast_step import adversarial
from lag.model.objectives import Objectives
from libml.errors import UserError
from libml.layers.resample import antialias_downscale2d, average_downscale2d, upscale2d
from libml.system.hardware import as_if
from libml.training.schedule import KIMG, Level, Phase
from tests.support.steps import FIRST, GROWING, LAST, batch, make, terms_of

VARIANTS = {
    "relativistic": {"gan_loss": "relativistic"},
    "spectral_norm": {"spectral_norm": True},
    "relativistic_spectral_norm": {"gan_loss": "relativistic", "spectral_norm": True},
    "color_round": {"color_round": 1.0},
    "encoder": {"encoder": True},
    "consistent": {"consistent": True},
    "pairing": {"gan_loss": "pairing", "r_gamma": 2.0},
    "r_gamma_end": {"r_gamma": 2.0, "r_gamma_end": 0.5},
    "center_balance": {"center_balance": 1e-3},
    "energy": {"energy_balance": 0.7},
    "subsets": {"center_balance": 0.02, "center_every": 2, "energy_balance": 0.7, "energy_every": 2},
    "together": {
        **{"consistent": True, "gan_loss": "pairing", "r_gamma": 2.0, "center_balance": 0.5, "energy_balance": 1.0},
        **{"center_every": 2, "energy_every": 2, "z_init": 0.5, "rgb_init": 0.1, "noise_shared": 0.5},
    },
    "consistent_bicubic": {"consistent": True, "downscaler": "bicubic"},
}


@pytest.mark.parametrize("name", ["reference", *VARIANTS, "first_phase"])
def test_the_fast_step_computes_the_plain_objectives(name):
    """The way that is for CPUs, and the way that is for GPUs."""
    phase, nimg = (FIRST, 0) if name == "first_phase" else (GROWING, 1500)
    found, options = {}, VARIANTS.get(name, {})
    for step, on_gpus in (("plain", False), ("fast", False), ("fast", True)):
        with as_if(on_gpus):
            traced = (step, on_gpus) == ("fast", False)
            found[step, on_gpus] = terms_of(make(step=step, **options), batch(), phase, nimg, traced)
    plain = found.pop(("plain", False))
    for fast in found.values():
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
    "step, name",
    [
        *(("fast", name) for name in ("relativistic_spectral_norm", "encoder", "together")),
        ("plain", "subsets"),
    ],
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
        "pairing": (soft(fake - real), 0.0, soft(real - fake)),
    }[name]
    loss, scores = losses.GAN_LOSSES[name], [tf.constant(x, tf.float32) for x in (real, fake)]
    found = [float(x) for x in (*loss.critic(*scores), loss.generator(*scores))]
    assert found == pytest.approx(expected, rel=1e-6)


def test_every_gan_loss_has_a_flag():
    assert set(losses.GAN_LOSSES) == set(config.GAN_LOSS_NAMES)


@pytest.mark.parametrize("name, slope", [("wasserstein", -1), ("relativistic", -2), ("pairing", -1)])
def test_a_critic_that_is_certain_still_teaches_the_generator(name, slope):
    real, fake = tf.fill([4], 300.0), tf.fill([4], -300.0)
    with tf.GradientTape() as tape:
        tape.watch(fake)
        objective, share, values = adversarial(losses.GAN_LOSSES[name], real, fake)
    gfake = {"wasserstein": 300, "relativistic": 1200, "pairing": 600}[name]
    assert float(values["gfake"]) == pytest.approx(gfake, rel=1e-5)
    np.testing.assert_allclose(tape.gradient(objective, fake) * share, [slope / 4] * 4, rtol=1e-5)


def test_pairs_know_their_partner():
    """Swapping two generated images' scores changes the pairing loss, and no other."""
    real, fake = tf.constant([0.0, 3.0]), tf.constant([1.0, -2.0])
    for name, loss in losses.GAN_LOSSES.items():
        same = np.allclose(loss.generator(real, fake), loss.generator(real, fake[::-1]), rtol=1e-6)
        assert same == (name != "pairing")


def test_the_zero_centred_penalty_of_a_known_critic():
    weights = np.random.default_rng(0).normal(size=[6, 8, 3]).astype(np.float32)
    critic = lambda x: tf.reduce_sum(x * weights, [1, 2, 3])  # noqa: E731
    gp = losses.zero_centred_penalty(critic, tf.zeros([2, 3, 4, 3]), 2, 0.7)
    assert float(gp) == pytest.approx(0.7 * np.square(weights).sum(), rel=1e-5)


@pytest.mark.parametrize("step", ["fast", "plain"])
def test_the_zero_centred_penalty_is_taken_at_real_and_fake(step):
    """With the images at hand half real, half generated, no matter how far rho is from 0 or 1."""
    model, data = make(step=step, r_gamma=2.0), batch()
    phase, level = LAST, LAST.level(2048)

    def gp(rho):
        noise = model.draw(data[0], 0)._replace(rho=tf.reshape(tf.constant(rho, tf.float32), [4, 1, 1, 1]))
        return float(model.step_terms(*data, noise, level).losses["gp"])

    assert phase.lod_stop == 2
    assert gp([0.1, 0.6, 0.4, 0.9]) == pytest.approx(gp([0.0, 1.0, 0.0, 1.0]), rel=1e-6)
    real, fake, both = gp([0.0] * 4), gp([1.0] * 4), [gp([0.0, 0.0, 1.0, 1.0]), gp([1.0, 1.0, 0.0, 0.0])]
    assert real != pytest.approx(fake, rel=1e-3) and sum(both) == pytest.approx(real + fake, rel=1e-4)


def test_r_gamma_falls_along_a_cosine():
    model, data = make(r_gamma=4.0, r_gamma_end=1.0), batch()
    noise, level = model.draw(data[0], 0), LAST.level(2048)
    first, middle, last = (
        float(model.step_terms(*data, noise, level, tf.constant(d)).losses["gp"]) for d in (0.0, 0.5, 1.0)
    )
    assert middle / first == pytest.approx(2.5 / 4, rel=1e-5) and last / first == pytest.approx(1 / 4, rel=1e-5)


def test_the_energy_score_of_numbers():
    """Of one channel: E|x - a| - E|a - b| / 2, by hand; a sampler as wide as the truth scores best."""
    rng = np.random.default_rng(0)
    truth = rng.normal(size=[20000, 1, 1, 1]).astype(np.float32)
    one, two = rng.normal(size=[2, 20000, 1, 1, 1]).astype(np.float32)
    score = lambda width: float(losses.energy_loss(truth, width * one, width * two))  # noqa: E731
    expected = np.abs(truth - one).mean() / 2 + np.abs(truth - two).mean() / 2 - 0.95 * np.abs(one - two).mean() / 2
    assert score(1) == pytest.approx(expected, rel=1e-3)
    assert score(0.95) < min(score(0.0), score(0.5), score(1.5), score(2.0))


@pytest.mark.parametrize("step", ["fast", "plain"])
def test_the_balances_are_of_gradients_at_the_images(step):
    """The centre's is cut to its bound and never raised; the energy score's is scaled to its own, up or down."""
    model = make(step=step, center_balance=1e-3, energy_balance=0.5)
    low = terms_of(model, batch()).losses
    model.config = dataclasses.replace(model.config, center_balance=2e-3, energy_balance=1.5)
    high = terms_of(model, batch()).losses
    assert float(low["center_scale"]) < 0.4
    assert float(high["center_scale"]) == pytest.approx(2 * float(low["center_scale"]), rel=1e-4)
    assert float(high["energy_scale"]) == pytest.approx(3 * float(low["energy_scale"]), rel=1e-4)
    model.config = dataclasses.replace(model.config, center_balance=1e6)
    assert float(terms_of(model, batch()).losses["center_scale"]) == 1


def test_balance_makes_the_slopes_equal_up_to_the_ratio():
    rng = np.random.default_rng(0)
    gan, of_all, of_half = (rng.normal(size=[n, 4, 4, 3]).astype(np.float32) for n in (8, 8, 4))
    factor = float(losses.balance(0.5, tf.constant(gan), tf.constant(7 * of_all)))
    assert factor == pytest.approx(0.5 * gan.std() / (7 * of_all.std()), rel=0.05)
    # A mean over half as many images has gradients twice as large: it counts as much as one over all.
    assert float(losses.balance(0.5, tf.constant(gan), tf.constant(14 * of_half))) == pytest.approx(factor, rel=0.2)


def test_initial_kernels_of_z_and_to_colours():
    plain, scaled = make(), make(z_init=0.5, rgb_init=0.1)
    for a, b in zip(plain.generator.variables, scaled.generator.variables, strict=True):
        if a.path == "stem/kernel" or a.path.endswith("stem/kernel"):
            np.testing.assert_array_equal(b[:, :, :3], a[:, :, :3])
            np.testing.assert_allclose(b[:, :, 3:], 0.5 * np.array(a)[:, :, 3:], rtol=1e-6)
        else:
            factor = 0.1 if a.path.endswith("to_rgb/kernel") else 1
            np.testing.assert_allclose(b, factor * np.array(a), rtol=1e-6, err_msg=a.path)
    for a, b in zip(scaled.generator.variables, scaled.ema.variables, strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_learning_rate_falls_over_the_last_part():
    model, data = make(lr_decay=0.1, training_kimg=1, transition_kimg=1, total_kimg=10, d_lr_mult=2.0), batch()
    found = {}
    for kimg in (0, 5, 6, 8, 9):
        model.train_step(data, LAST, kimg * KIMG + 4)
        found[kimg] = float(model.optimizer("generator", 2).learning_rate)
        assert float(model.optimizer("projection", 0).learning_rate) == pytest.approx(2 * found[kimg])
    expected = {k: 1e-3 * (0.1 + 0.9 * (1 + np.cos(np.pi * max(k - 6, 0) / 4)) / 2) for k in found}
    assert found == pytest.approx(expected, rel=1e-5)


def test_the_average_over_a_share_of_the_steps():
    model, data = make(weight_avg_power=3.0), batch()
    shadow = None
    for t in range(1, 6):
        model.train_step(data, LAST, 2048 + 4 * t)
        weight, keep = np.array(model.generator.stem.kernel), (1 - 1 / t) ** 4
        shadow = weight if shadow is None else keep * shadow + (1 - keep) * weight
    np.testing.assert_allclose(model.ema.stem.kernel, shadow, atol=1e-5)


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
    short = LAGConfig(progressive=False, total_kimg=7)
    short.check_total()
    assert short.schedule().total == 7 * KIMG
    assert "progressiveFalse" in at_once.folder.name and "progressive" not in growing.folder.name


@pytest.mark.parametrize("levels", [1.0, 4.0])
def test_color_round_is_in_grey_levels(levels):
    lores, hires = batch()
    noisy = hires + tf.random.stateless_uniform(hires.shape, [3, 4], -0.3, 0.3)
    delta = losses.lores_error(lores, noisy, lambda x: average_downscale2d(x, 4), levels).numpy() * 127.5
    np.testing.assert_allclose(delta, np.rint(delta / levels) * levels, atol=1e-4)
    assert len(np.unique(np.rint(delta / levels))) > 3


@pytest.mark.parametrize("step", ["fast", "plain"])
def test_a_consistent_generator_s_images_have_no_lores_error(step, monkeypatch):
    monkeypatch.setattr(losses, "lores_error", None)  # it is not computed, either
    model, data = make(consistent=True, step=step), batch()
    for nimg in (1500, 1504):
        model.train_step(data, GROWING, nimg)
    z = model.draw(data[0], 0).z
    image = model.ema(data[0], z, level=Level(1, 2, 1.5))
    np.testing.assert_allclose(average_downscale2d(image, 4), data[0], atol=2e-6)
    assert "consistentTrue" in model.config.folder.name


def test_d_lr_mult_is_the_critics_alone():
    model, data = make(d_lr_mult=3.0), batch()
    g, d = (network.variables_up_to(2) for network in (model.generator, model.projection))
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
        ({"gan_loss": "hinge"}, "use wasserstein or relativistic or pairing"),
        ({"step": "slow"}, "step=slow is unknown: use fast or plain"),
        ({"step": "plain", "remat": True}, "leave out --remat"),
        ({"encoder": True, "noise_dim": 0}, "noise_dim"),
        ({"color_round": 0.0}, "color_round=0.0 must be positive"),
        ({"consistent": True, "color_round": 1.0}, "leave out --color_round"),
        ({"r_gamma": -1.0}, "r_gamma=-1.0 cannot be negative"),
        ({"r_gamma_end": 1.0}, "r_gamma_end says nothing without --r_gamma"),
        ({"r_gamma": 1.0, "spectral_norm": True}, "leave out --spectral_norm"),
        ({"r_gamma": 1.0, "wass_target": 2.0}, "leave out --wass_target"),
        ({"center_balance": 0.5, "mse_weight": 0.0}, "center_balance says nothing without --mse_weight"),
        ({"center_every": 3}, "center_every=3 must divide --batch=16"),
        ({"energy_every": 2}, "energy_every says nothing without --energy_balance"),
        ({"energy_balance": 1.0, "noise_dim": 0}, "noise_dim"),
        ({"energy_balance": 1.0, "encoder": True}, "leave out --energy_balance"),
        ({"gan_loss": "pairing", "encoder": True}, "leave out --gan_loss=pairing"),
        ({"lr_decay": 1.5}, "lr_decay=1.5 must be at most 1"),
        ({"noise_shared": 1.5}, "noise_shared=1.5 must be at most 1"),
        ({"noise_shared": 0.5, "encoder": True}, "--encoder finds a z for each place: leave out --noise_shared"),
        ({"weight_avg_power": 9.0, "weight_avg": 0.0}, "weight_avg_power says nothing without --weight_avg"),
        ({"d_lr_mult": -1.0}, "d_lr_mult=-1.0 must be positive"),
    ],
)
def test_what_cannot_be_is_refused(options, said):
    with pytest.raises(UserError, match=said):
        LAGConfig(**options).validate()


@pytest.mark.parametrize("name", ["subsets", "encoder"])
def test_gradient_norms_of_two_replicas_are_those_of_one(name, two_replicas):
    one, two = (make(strategy, gradient_norms=True, **VARIANTS[name]) for strategy in (None, two_replicas))
    expected, found = (model.report(batch(), GROWING, 1500) for model in (one, two))
    assert found.keys() == expected.keys() and {"grad_gan", "slope_gan", "grad_center"} < found.keys()
    for key, value in found.items():
        assert value == pytest.approx(expected[key], rel=1e-3), key


@pytest.mark.parametrize("encoder", [False, True])
def test_the_slope_of_scores_that_are_sums_of_pixels_is_one(encoder, monkeypatch):
    def scores(self, passes):
        sums = [tf.reduce_sum(passes[name].image, [1, 2, 3]) for name in ("fake_z", "fake")[: 1 + encoder]]
        return tf.zeros(4), tf.concat(sums, 0)

    monkeypatch.setattr(Objectives, "scores", scores)
    model = make(encoder=encoder, gradient_norms=True)
    assert model.report(batch(), LAST, 2048)["slope_gan"] == pytest.approx(1)


def test_devices_whose_part_of_a_batch_would_have_more_than_every_so_many_images(two_replicas):
    make(two_replicas, batch=8, center_every=4)
    with pytest.raises(UserError, match="--center_every=4 cannot be taken of the 2 images that each of 2 devices") as e:
        make(two_replicas, batch=4, center_every=4)
    assert "a multiple of 8, fewer devices or --center_every=1" in str(e.value)
    with pytest.raises(UserError, match="--energy_every=4 cannot be taken of the 6 images"):
        make(two_replicas, batch=12, center_every=2, energy_balance=1.0, energy_every=4)
