"""The critic that ranks samples, against networks of the same weights and LR errors written out."""

import numpy as np
import pytest

from lag.config import LAGConfig
from lag.model.training import LAG
from lag.trained import load_critic
from libml.training.schedule import Level
from tests.support.images import TINY, blobs
from tests.support.untrained import untrained_run


def box_means(images, n):
    count, h, w, c = images.shape
    return images.reshape(count, h // n, n, w // n, n, c).mean((2, 4))


@pytest.mark.parametrize("kimg, lod_start, lod_stop, lod", [(0.5, 1, 1, 1.0), (1.5, 1, 2, 1.5), (3, 2, 2, 2.0)])
def test_latents_are_those_of_the_image_and_its_lores_error(tmp_path, kimg, lod_start, lod_stop, lod):
    critic = load_critic(untrained_run(tmp_path, kimgs=(kimg,)))
    lores = box_means((blobs(3, 16) / 127.5 - 1).astype(np.float32), 4)
    # The error is rounded to multiples of 4 grey levels: other images' boxes are off by many of them.
    hires = (blobs(3, 16, seed=1) / 127.5 - 1).astype(np.float32)
    delta = np.rint(np.abs(lores - box_means(hires, 4)) * 127.5 / 4) * 4 / 127.5
    assert delta.max() > 0.2
    projection = LAG(LAGConfig(**TINY), 3).projection  # the run's own: of the same seed
    level = Level(lod_start, lod_stop, lod)
    expected = projection(box_means(hires, 4 >> lod_stop), delta.astype(np.float32), level=level).numpy()
    latents = critic.project(hires, lores)
    np.testing.assert_allclose(latents, expected, atol=1e-4 * np.abs(expected).max())
    np.testing.assert_allclose(critic.scores(latents), expected.mean((1, 2, 3)), rtol=1e-3, atol=1e-5)


def test_the_critic_of_a_consistent_generator_has_seen_no_lores_error(tmp_path):
    critic = load_critic(untrained_run(tmp_path, consistent=True))
    hires = (blobs(2, 16) / 127.5 - 1).astype(np.float32)
    lores = box_means(hires, 4)
    np.testing.assert_array_equal(critic.project(hires, lores), critic.project(hires, lores + np.float32(0.3)))


def test_an_image_that_does_not_fit_its_input_scores_otherwise(tmp_path):
    critic = load_critic(untrained_run(tmp_path))
    hires = (blobs(2, 16) / 127.5 - 1).astype(np.float32)
    lores = box_means(hires, 4)
    fits, shifted = (critic.scores(critic.project(hires, lores + shift)) for shift in (0, np.float32(0.3)))
    assert np.all(np.abs(fits - shifted) > 1e-3)
