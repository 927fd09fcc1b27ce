"""cGAN: its step, its critics, a run stopped and gone on with, replicas, sampling."""

import json

import numpy as np
import pytest
import tensorflow as tf

from cgan import CGAN, CGANConfig, CGANCritic, critic_widths
from libml.compared.sampler import GeneratorSampler
from libml.compared.trained import load_compared
from libml.datasets.catalogue import lookup
from libml.datasets.stream import Images
from libml.errors import UserError
from libml.layers.resample import downscale2d
from libml.layers.spectral_norm import normalized
from libml.system.interrupts import Interrupted
from libml.training import checkpoint, loop
from libml.training.preview import Preview
from libml.training.schedule import KIMG
from tests.stress import TIMING, scalars
from tests.support.programs import mistake
from tests.support.stopping import stopping

TINY = {"filters": 2, "blocks": 1, "noise": 2, "batch": 64, "dataset": "cifar10", "total_kimg": 1, "save_kimg": 1}


def tiny(**options) -> CGANConfig:
    config = CGANConfig(**{**TINY, "report_kimg": 1, **options})
    config.validate()
    return config


def images(batch=4, size=32, scale=4, seed=0):
    hires = tf.random.stateless_uniform([6, batch, size, size, 3], [seed, 0], -1, 1)
    return tf.stack([downscale2d(x, scale) for x in tf.unstack(hires)]), hires


def state(method) -> dict[str, np.ndarray]:
    return {name: np.array(v) for name, v in method.named_variables().items()}


def changed(before, after, *words) -> set[bool]:
    """Whether the variables whose names contain all words differ: {True} if all do."""
    return {bool(np.any(after[name] != v)) for name, v in before.items() if all(word in name for word in words)}


class Recording(CGAN):
    """Remembers what its step does; to be run eagerly."""

    def __init__(self, *args):
        super().__init__(*args)
        self._record = []

    def critic_terms(self, lores, hires, *noise):
        before = state(self)
        result = super().critic_terms(lores, hires, *noise)
        self._record.append(("critic", lores, hires, noise, before, state(self)))
        return result

    def generator_terms(self, lores, *noise):
        before = state(self)
        result = super().generator_terms(lores, *noise)
        self._record.append(("generator", lores, None, noise, before, state(self)))
        return result


@pytest.fixture(scope="module")
def record():
    """(the six updates of a step, their images, the method after it), run eagerly."""
    tf.config.run_functions_eagerly(True)
    try:
        method, batch = Recording(tiny(batch=2), 3, 32), images(batch=2)
        method.train_step(batch, None, 0)
    finally:
        tf.config.run_functions_eagerly(False)
    return method._record, batch, method


def test_a_step_is_five_critic_batches_then_one_for_the_generator(record):
    updates, (lores, hires), method = record
    assert [update[0] for update in updates] == ["critic"] * 5 + ["generator"]
    for i, (_, low, high, *_) in enumerate(updates):
        np.testing.assert_array_equal(low, lores[i])
        assert high is None or np.array_equal(high, hires[i])
    assert (int(method.d_optimizer.iterations), int(method.g_optimizer.iterations)) == (5, 1)
    for i, (_, _, _, _, before, _) in enumerate(updates[1:]):
        previous = updates[i][4]
        assert False not in changed(previous, before, "critic/", "kernel")
        assert changed(previous, before, "generator/", "kernel") == {False}
    after = state(method)
    assert changed(updates[5][4], after, "critic/", "kernel") == {False}
    assert True in changed(updates[5][4], after, "generator/", "kernel")


def test_every_update_has_fresh_noise(record):
    maps = [np.concatenate([np.ravel(z) for z in update[3]]) for update in record[0]]
    assert [z.shape for z in record[0][0][3]] == [(2, 8, 8, 2), (2, 16, 16, 2)]
    assert all(np.all(a != b) for i, a in enumerate(maps) for b in maps[:i])
    assert np.all(np.abs(np.std(maps, axis=1) - 1) < 0.1)


def test_every_update_moves_statistics_and_u_once_before_the_weights(record):
    for *_, before, after in record[0]:
        assert changed(before, after, "moving_mean") == {True}
        assert changed(before, after, "kernel") == {False}
        names = [name for name in before if name.startswith("critic/") and name.endswith("/u")]
        assert len(names) == 15
        for name in names:
            expected = normalized(before[name.removesuffix("u") + "kernel"], before[name])[1]
            np.testing.assert_allclose(after[name], expected, atol=1e-6, err_msg=name)


def test_two_replicas_equal_one(two_replicas):
    states, means = [], []
    for strategy in (None, two_replicas):
        method = CGAN(tiny(batch=4), 3, 32, strategy)
        method.train_step(images(), None, 0)
        states.append(state(method))
        means.append(method.meters.means())
    assert means[0] == pytest.approx(means[1], rel=1e-4)
    one, two = states
    for name in one:
        if "velocity" in name:  # the mean of g^2: it shows the gradients that were applied
            a, b = np.sqrt(one[name]), np.sqrt(two[name])
            np.testing.assert_allclose(a, b, atol=1e-3 * max(a.max(), 1e-3), err_msg=name)
        else:
            # Before BatchNorm a bias' gradient is rounding, which Adam makes steps of lr of.
            bound = 4e-4 if name.startswith("generator/") and name.endswith("bias") else 2e-5
            assert np.max(np.abs(one[name] - two[name])) <= bound, name
    assert changed(state(CGAN(tiny(batch=4), 3, 32)), two, "moving") == {True}


Stopping = stopping(CGAN)


def train(config, data_dir, stop_at=None, method=None):
    """Trains in this process. A method that was traced before takes less time."""
    method = method or Stopping(config, 3, 32)
    method.stop_at = stop_at
    data = Images(lookup(config.dataset), data_dir)
    sampler = GeneratorSampler(method.generator, config)
    loop.train(method, config, config.folder, data, Preview(lambda *_: sampler, config, data.test_images(limit=2)))
    return method


@pytest.fixture(scope="module")
def straight(data_dir, tmp_path_factory):
    """(config, trained method) of a whole run, not interrupted."""
    config = tiny(train_dir=str(tmp_path_factory.mktemp("cgan")))
    return config, train(config, data_dir)


def test_a_stopped_run_ends_as_one_that_was_not(straight, data_dir, tmp_path):
    config = tiny(train_dir=str(tmp_path))
    with pytest.raises(Interrupted):
        train(config, data_dir, stop_at=512)
    assert checkpoint.list_checkpoints(config.folder / "tf")[-1][0] == 512 + 64
    whole = state(straight[1])
    resumed = state(train(config, data_dir, method=straight[1]))
    assert resumed.keys() == whole.keys()
    for name, value in whole.items():
        np.testing.assert_array_equal(resumed[name], value, err_msg=name)
    assert scalars(config.folder) == scalars(straight[0].folder)


def test_a_run_reports_its_losses(straight):
    config, method = straight
    assert config.folder.name == "cGAN_batch64_blocks1_filters2_lr0.0002_lr_decay0.1_noise2_total_kimg1"
    (line,) = (config.folder / "metrics.jsonl").read_text().splitlines()
    line = json.loads(line)
    assert set(line) == {"kimg", "dreal", "dfake", "gfake", "rmse", "lr"} | TIMING
    assert np.all(np.isfinite(list(line.values())))
    assert (int(method.d_optimizer.iterations), int(method.g_optimizer.iterations)) == (5 * 16, 16)
    for optimizer in (method.g_optimizer, method.d_optimizer):
        assert float(optimizer.learning_rate) == pytest.approx(config.learning_rate(KIMG - 64))
    assert method._train_critic.experimental_get_tracing_count() == 1
    assert method._train_generator.experimental_get_tracing_count() == 1


def test_a_run_is_loaded_and_samples_with_noise_and_moving_statistics(straight, data_dir):
    config, method = straight
    sampler = load_compared(CGAN, config.folder).sampler()
    assert (sampler.config, sampler.nimg, sampler.stochastic) == (config, KIMG, True)
    assert sampler.noise_shapes(8, 6) == [(8, 6, 2), (16, 12, 2)]
    hires = Images(lookup("cifar10"), data_dir).test_images([3, 5])
    lores, before = downscale2d(hires, 4).numpy(), state(method)
    made = sampler.candidates(lores, [0.0, 0.0, 1.0, 1.0], 0, [3, 5])
    assert made.shape == (2, 4, 32, 32, 3) and np.max(np.abs(made)) <= 1
    zeros = [tf.zeros([2, *shape]) for shape in sampler.noise_shapes(8, 8)]
    np.testing.assert_allclose(made[:, 0], method.generator(lores, *zeros), atol=1e-5)
    np.testing.assert_array_equal(made[:, 0], made[:, 1])
    for a, b in ((0, 2), (2, 3)):
        assert np.mean(np.abs(made[:, a] - made[:, b])) > 1e-4
    np.testing.assert_allclose(made[1:], sampler.candidates(lores[1:], [0.0, 0.0, 1.0, 1.0], 0, [5]), atol=1e-5)
    assert changed(before, state(method), "") == {False}


@pytest.mark.parametrize(
    "size, scale, to_lores, below",
    [
        (32, 4, [1, -2, 2], [-4, 4]),
        (64, 4, [1, -2, 2], [-4, -8, 8]),
        (16, 8, [1, -2, 2, -4, 4], [2]),  # narrower than the block before it
        (32, 8, [1, -2, 2, -4, 4], [2]),
        (128, 8, [1, -2, 2, -4, 4], [-8, -16, 16]),
        (256, 32, [1, -2, 2, -4, 4, -8, 8, -16, 16], [-32, 32]),
        (48, 4, [1, -2, 2], [-4, -8, 8]),
    ],
)
def test_critics_grow_with_image_and_scale(size, scale, to_lores, below):
    """Widths in filters; those of blocks that halve the size are negative."""
    expected = [[(3 * abs(w), w < 0) for w in widths] for widths in (to_lores, below)]
    assert list(critic_widths(size, scale, 3)) == expected


def test_a_critic_whose_last_block_shrinks():
    critic = CGANCritic(colors=1, size=16, scale=8, filters=2, seed=0)
    hires = tf.random.stateless_uniform([3, 16, 16, 1], [0, 0], -1, 1)
    scores = critic(hires, downscale2d(hires, 8))
    assert scores.shape == (3, 1) and len(np.unique(scores)) == 3
    assert critic.below_0.shortcut.filters == 4 and critic.dense.kernel.shape == (4, 1)


def test_sizes_without_a_critic_are_refused():
    with pytest.raises(UserError, match="--scale=4 leaves cGAN's critic no layers for 16 x 16 images"):
        CGAN(tiny(), 3, 16)
    with pytest.raises(UserError, match="halves 7 x 7 LR images 1 times"):
        CGAN(tiny(), 1, 28)
    assert "--scale=2: cGAN's critic needs a scale of at least 4" in mistake("cgan.py", "--scale=2", alone=True)


def test_learning_rate_is_constant_then_falls():
    config, half = CGANConfig(total_kimg=1024), 512 * KIMG
    rates = [config.learning_rate(nimg) for nimg in (0, half // 2, half, half * 3 // 2, 2 * half)]
    np.testing.assert_allclose(rates, [2e-4, 2e-4, 2e-4, 2e-4 * 0.1**0.5, 2e-5], rtol=1e-12)


def test_noise_maps_of_a_step_are_independent():
    lores = tf.zeros([2, 8, 8, 3])
    small, large = (np.ravel(z) for z in CGAN(tiny(batch=2), 3, 32).draw(lores, tf.constant(0, tf.int64)))
    assert np.all(small != large[: len(small)])
