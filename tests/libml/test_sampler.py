"""Candidates: which noise each of them is made from, and where it lies in the picture."""

import numpy as np

from libml import rng
from libml.sampler import CandidateSampler, candidate_stds, candidates_figure, candidates_grid, noise_maps
from tests.support.images import blobs


class Grainy(CandidateSampler):
    """The pixelated LR image plus the first channel of its noise."""

    scale = 4

    def noise_shapes(self, h, w):
        return [(h, w, 2)]

    def __call__(self, lores, z):
        return (lores + z[..., :1]).repeat(4, axis=1).repeat(4, axis=2)


def columns(stds, seed=0, indices=(3, 5)):
    """The cells of the picture, [rows, columns, 64, 64, 3], and its images."""
    hires = (blobs(2, 64) / 127.5 - 1).astype(np.float32)
    picture = candidates_grid(Grainy(), hires, "average", stds, seed, indices)
    return picture.reshape(2, 64, len(stds) + 2, 64, 3).swapaxes(1, 2), hires


def test_noise_rises_from_the_centre_to_one():
    cells, hires = columns(candidate_stds(3))
    pixelated = hires.reshape(2, 16, 4, 16, 4, 3).mean((2, 4)).repeat(4, axis=1).repeat(4, axis=2)
    np.testing.assert_array_equal(cells[:, 0], hires)
    np.testing.assert_allclose(cells[:, 1], pixelated, atol=1e-5)
    np.testing.assert_allclose(cells[:, 2], pixelated, atol=1e-5)  # z = 0
    full, _ = columns([1.0, 1.0, 1.0])
    np.testing.assert_allclose(cells[:, 3] - pixelated, (full[:, 3] - pixelated) / 2, atol=1e-5)
    np.testing.assert_allclose(cells[:, 4], full[:, 4], atol=1e-5)
    assert 0.8 < np.std(cells[:, 4] - pixelated) < 1.2


def test_noise_is_of_its_own_for_each_place_image_and_seed():
    cells, _ = columns([1.0, 1.0])
    noise = cells[:, 2:] - cells[:, 1:2]
    for others in (noise[:, ::-1], noise[::-1], columns([1.0, 1.0], seed=1)[0][:, 2:] - cells[:, 1:2]):
        assert np.abs(np.corrcoef(noise.ravel(), others.ravel())[0, 1]) < 0.2
    again, _ = columns([1.0, 1.0, 0.5], indices=(5, 3))
    np.testing.assert_allclose(again[1, 2:4] - again[1, 1:2], noise[0], atol=1e-5)
    drawn = rng.normal([3, 5, 2], rng.key(7, "candidate 4/1"), 9).numpy()
    np.testing.assert_array_equal(noise_maps((3, 5, 2), [1.0, 0.5], 7, 9, "/1", first=3)[1], np.float32(0.5) * drawn)


def test_the_labelled_sheet_has_the_images_of_the_bare_grid():
    cells, hires = columns([0.0, 0.125, 1.0])
    figure = candidates_figure(Grainy(), hires, "average", [0.0, 0.125, 1.0], 0, (3, 5), "a title")
    assert figure.title == "a title" and [label for label, _ in figure.rows] == ["#3", "#5"]
    assert figure.columns == ["original", "input 16 x 16", "centre z = 0", "noise 0.12", "noise 1"]
    np.testing.assert_array_equal([images for _, images in figure.rows], cells)
