"""From a trained generator to images: parts of a batch, levels of detail."""

import numpy as np

from lag.config import LAGConfig
from lag.model.training import LAG
from lag.sampling import PhaseSamplers, Sampler
from libml.training.schedule import Level, Phase
from tests.support.images import TINY

GROWING = Phase(1024, 2048, 1, 2)


def inputs(count):
    rng = np.random.default_rng(0)
    shapes = [count, 4, 4, 3], [count, 4, 4, 2]
    return [rng.normal(size=shape).astype(np.float32) for shape in shapes]


def test_the_number_of_images_at_a_time_changes_nothing():
    generator = LAG(LAGConfig(**TINY), 3).ema
    whole, parts = (Sampler(generator, GROWING, 1.5, batch=batch)(*inputs(5)) for batch in (16, 2))
    assert whole.shape == (5, 16, 16, 3)
    np.testing.assert_allclose(whole, parts, atol=1e-5)


def test_a_generator_without_noise_has_one_image():
    sampler = Sampler(LAG(LAGConfig(**{**TINY, "noise_dim": 0}), 3).ema, GROWING, 1.5)
    assert not sampler.stochastic
    lores = inputs(2)[0]
    made = sampler.candidates(lores, [0.0], 0, [0, 1])
    np.testing.assert_allclose(made[:, 0], sampler(lores, np.zeros([2, 4, 4, 0], np.float32)), atol=1e-6)


def test_a_model_in_training_is_sampled_at_its_level():
    model = LAG(LAGConfig(**TINY), 3)
    sampler, (lores, z) = PhaseSamplers(model), inputs(2)
    made = [sampler(GROWING, nimg)(lores, z) for nimg in (1024, 1536)]
    for images, lod in zip(made, (1.0, 1.5), strict=True):
        expected = model.ema(lores, z, level=Level(1, 2, lod))
        np.testing.assert_allclose(images, expected, atol=1e-5)
    assert np.max(np.abs(made[1] - made[0])) > 1e-3
