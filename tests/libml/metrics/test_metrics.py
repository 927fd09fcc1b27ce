"""Measures against values from elsewhere: by hand, closed forms, plain loops."""

import itertools

import keras
import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from scipy.ndimage import gaussian_filter

from libml.errors import UserError
from libml.metrics import distances as metrics
from libml.metrics import fid, swd
from tests.support.images import blobs

RNG = np.random.default_rng(0)


def noisy(images, amount, seed=0):
    noise = np.random.default_rng(seed).normal(0, amount, images.shape)
    return np.clip(np.rint(images + noise), 0, 255).astype(np.uint8)


def test_psnr():
    images = np.full([2, 8, 8, 3], 100, np.uint8)
    np.testing.assert_allclose(metrics.psnr(images + 10, images, 255), 20 * np.log10(25.5), rtol=1e-6)
    np.testing.assert_array_equal(metrics.psnr(images, images, 255), 100.0)
    halves = np.zeros([1, 4, 4, 1], np.float32)
    np.testing.assert_allclose(metrics.psnr(halves + 0.5, halves, 2), 20 * np.log10(4), rtol=1e-6)


def similarity(a, b):
    """(SSIM, contrast and structure) of one channel [H, W] in 0..255, by definition."""
    t = np.arange(11) - 5
    window = np.exp(-(t[:, None] ** 2 + t**2) / (2 * 1.5**2))
    window /= window.sum()

    def mean(x):
        return (sliding_window_view(x, (11, 11)) * window).sum((-2, -1))

    a, b = a.astype(np.float64), b.astype(np.float64)
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    var_a, var_b, cov = mean(a * a) - mean(a) ** 2, mean(b * b) - mean(b) ** 2, mean(a * b) - mean(a) * mean(b)
    structure = (2 * cov + c2) / (var_a + var_b + c2)
    luminance = (2 * mean(a) * mean(b) + c1) / (mean(a) ** 2 + mean(b) ** 2 + c1)
    return (luminance * structure).mean(), structure.mean()


def test_ssim_by_definition():
    images = blobs(2, 24)
    others = noisy(images, 20)
    expected = [
        np.mean([similarity(a[..., c], b[..., c])[0] for c in range(3)]) for a, b in zip(images, others, strict=True)
    ]
    np.testing.assert_allclose(metrics.ssim(images, others), expected, atol=1e-4)
    np.testing.assert_allclose(metrics.ssim(images, images), 1, atol=1e-6)


def test_ms_ssim_by_definition():
    image = blobs(1, 176, colors=1)
    other = noisy(image, 40)
    factors, a, b = [], image[0, ..., 0].astype(float), other[0, ..., 0].astype(float)
    for weight in (0.0448, 0.2856, 0.3001, 0.2363, 0.1333):
        whole, structure = similarity(a, b)
        factors.append((structure if len(factors) < 4 else whole) ** weight)
        a, b = (
            x.reshape(x.shape[0] // 2, 2, x.shape[1] // 2, 2).mean((1, 3)) if len(x) % 2 == 0 else x for x in (a, b)
        )
    np.testing.assert_allclose(metrics.ms_ssim(image, other), np.prod(factors), atol=1e-4)


@pytest.mark.parametrize("measure, size", [(metrics.ssim, metrics.SSIM_SIZE), (metrics.ms_ssim, metrics.MS_SSIM_SIZE)])
def test_smallest_images(measure, size):
    fits, below = blobs(1, size), blobs(1, size - 1)
    assert measure(fits, fits) == pytest.approx(1, abs=1e-5)
    with pytest.raises(Exception, match="Expected"):
        measure(below, below)


def test_pairwise_rms():
    samples = RNG.integers(0, 256, [4, 5, 6, 3], dtype=np.uint8)
    apart = [np.sqrt(np.mean((a.astype(float) - b) ** 2)) for a, b in itertools.combinations(samples, 2)]
    assert metrics.pairwise_rms(samples) == pytest.approx(np.mean(apart), rel=1e-12)
    assert metrics.pairwise_rms(samples[[0, 0, 0]]) == 0


def test_many_samples_are_measured_as_few():
    samples = RNG.integers(0, 256, [metrics.CHUNK * 2 + 7, 6, 6, 3], np.uint8)
    floats, target = samples.astype(np.float64), blobs(1, 6)[0]
    apart = [np.sqrt(np.square(a - b).mean()) for a, b in itertools.combinations(floats, 2)]
    assert metrics.pairwise_rms(samples) == pytest.approx(np.mean(apart), rel=1e-12)
    errors = np.square(floats - target).mean(-1)
    best = errors.mean((1, 2)).min()
    assert metrics.space_score(samples, target) == pytest.approx(100 * (best - errors.min(0).mean()) / best, rel=1e-5)


def test_space_score():
    target = np.zeros([1, 2, 1], np.uint8)
    one, other = np.array([1, 3], np.uint8).reshape(1, 2, 1), np.array([2, 1], np.uint8).reshape(1, 2, 1)
    # Squared errors 1, 9 and 4, 1: the better sample has a mean of 2.5, the better of each place is 1, 1.
    assert metrics.space_score(np.stack([one, other]), target) == pytest.approx(60)
    assert metrics.space_score(np.stack([one, one, one]), target) == 0
    assert metrics.space_score(np.stack([one, target]), target) == 0
    truth = blobs(1, 8)[0]
    left, right = truth.copy(), truth.copy()
    left[:, 4:] ^= 255
    right[:, :4] ^= 255
    for box in (1, 2, 4):
        assert metrics.space_score(np.stack([left, right]), truth, box) == pytest.approx(100)
    assert metrics.space_score(np.stack([left, right]), truth, 8) == 0  # one place is the whole image
    maps = np.array([[[1.0, 9.0]], [[4.0, 1.0]]])
    assert metrics.space_score_of_maps(maps) == pytest.approx(60) and metrics.space_score_of_maps(0 * maps) == 0


def test_space_score_in_boxes_is_hardly_won_by_grain():
    truth = blobs(1, 32)[0]
    samples = noisy(np.stack([truth] * 10), 20)
    assert metrics.space_score(samples, truth) > 80
    assert metrics.space_score(samples, truth, 8) < 30


def test_swd_levels():
    assert swd.level_sizes(128, 128) == [(128, 128), (64, 64), (32, 32), (16, 16)]
    assert swd.level_sizes(32, 32) == [(32, 32), (16, 16)]
    assert swd.level_sizes(28, 28) == [(28, 28)]
    assert swd.level_sizes(36, 64) == [(36, 64), (18, 32)]
    assert list(swd.sliced_wasserstein(blobs(2, 64), blobs(2, 64), 0)) == [64, 32, 16]


def test_pyramid():
    image = blobs(1, 32)
    flat = np.full([1, 32, 32, 3], 7, np.uint8)
    np.testing.assert_allclose(swd.pyramid_level(flat, 0), 0, atol=1e-5)
    np.testing.assert_allclose(swd.pyramid_level(flat, 1), 7, atol=1e-5)
    # Of the blurred image every second pixel is kept; the difference is against what that is doubled to.
    kernel = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]) / 256
    padded = np.pad(image[0, ..., 0].astype(float), 2, mode="reflect")
    halved = (sliding_window_view(padded, (5, 5)) * kernel).sum((-2, -1))[::2, ::2]
    np.testing.assert_allclose(swd.pyramid_level(image, 1)[0, ..., 0], halved, atol=1e-3)
    spread = np.zeros([32, 32])
    spread[::2, ::2] = 4 * halved
    doubled = (sliding_window_view(np.pad(spread, 2, mode="reflect"), (5, 5)) * kernel).sum((-2, -1))
    np.testing.assert_allclose(swd.pyramid_level(image, 0)[0, ..., 0], image[0, ..., 0] - doubled, atol=1e-3)


def textures(count, seed=0):
    """uint8 [count, 32, 32, 3]: soft grain, the same statistics everywhere."""
    grain = np.random.default_rng(seed).normal(size=[count, 32, 32, 3])
    return np.clip(128 + 300 * gaussian_filter(grain, (0, 1.5, 1.5, 0)), 0, 255).astype(np.uint8)


def test_swd_tells_sets_apart():
    images, others = textures(64), textures(64, seed=1)
    itself = swd.sliced_wasserstein(images, images, 0)
    same = swd.sliced_wasserstein(images, others, 0)
    blurred = gaussian_filter(others.astype(float), (0, 1.5, 1.5, 0)).astype(np.uint8)
    worse, worst = (swd.sliced_wasserstein(images, noisy(others, amount), 0) for amount in (30, 60))
    assert 1.5 * same[32] < worse[32] < worst[32]
    assert 1.5 * same[32] < swd.sliced_wasserstein(images, blurred, 0)[32]
    assert 3 * itself[32] < worst[32] and all(itself[size] < same[size] for size in (16, 32))


def test_swd_is_seeded():
    a, b = noisy(blobs(4), 10), blobs(4, seed=1)
    assert swd.sliced_wasserstein(a, b, 3) == swd.sliced_wasserstein(a, b, 3)
    assert swd.sliced_wasserstein(a, b, 3) != swd.sliced_wasserstein(a, b, 4)
    assert all(np.isfinite(v) for v in swd.sliced_wasserstein(a, np.zeros_like(a), 0).values())


def test_sliced_distance_of_gaussians():
    # On any direction two sets that differ by a shift v are |v . direction| apart; its mean is |v| E|u_1|.
    a = RNG.normal(size=[50, 3]).astype(np.float32)
    shifted = [a + np.array([shift, 0, 0], np.float32) for shift in (2, 4, 6)]
    found = swd.sliced_distances(shifted, a, np.random.default_rng(0))[:, 0]
    assert found == pytest.approx(0.5 * np.array([2, 4, 6]), rel=0.1)  # E|u_1| = 1/2 on the sphere in three dimensions


def exact_features(mean, covariance, count=64):
    """Features whose sample mean and covariance are these."""
    x = np.random.default_rng(1).normal(size=[count, len(mean)])
    x -= x.mean(0)
    x = x @ np.linalg.inv(np.linalg.cholesky(np.cov(x, rowvar=False))).T
    return x @ np.linalg.cholesky(np.array(covariance)).T + mean


def test_fid_of_gaussians():
    a = exact_features([0, 0, 0], np.diag([1.0, 4.0, 9.0]))
    b = exact_features([1, 2, 2], np.diag([4.0, 4.0, 1.0]), count=40)
    # Commuting covariances: |mean|^2 + sum of (difference of standard deviations)^2.
    assert fid.frechet_distance(a, b) == pytest.approx(9 + 1 + 0 + 4)
    assert fid.frechet_distance(a, a) == pytest.approx(0, abs=1e-9)
    A, B = [[2.0, 1.0], [1.0, 3.0]], [[1.0, -0.5], [-0.5, 2.0]]
    root = np.sqrt(np.linalg.eigvals(np.array(A) @ np.array(B))).sum()
    found = fid.frechet_distance(exact_features([0, 0], A), exact_features([0, 0], B))
    assert found == pytest.approx(np.trace(A) + np.trace(B) - 2 * root)


def test_fid_of_fewer_images_than_features():
    a, b = RNG.normal(size=[5, 20]), RNG.normal(size=[6, 20])
    assert 0 <= fid.frechet_distance(a, a) < 1e-9
    assert np.isfinite(fid.frechet_distance(a, b)) and fid.frechet_distance(a, b) > 0


def test_kid_is_the_plain_double_loop():
    a, b = RNG.normal(size=[7, 4]), RNG.normal(size=[7, 4]) + 1

    def kernel(x, y):
        return (float(x @ y) / 4 + 1) ** 3

    within = sum(
        np.mean([kernel(s[i], s[j]) for i in range(7) for j in range(7) if i != j]) for s in (a, b)
    )  # fmt: skip
    across = np.mean([kernel(x, y) for x in a for y in b])
    assert fid.kernel_distance(a, b, 0) == pytest.approx(within - 2 * across)


def test_kid_of_one_distribution_is_near_0(monkeypatch):
    monkeypatch.setattr(fid, "KID_SUBSET", 100)  # so that there are subsets
    a, b = RNG.normal(size=[300, 8]), RNG.normal(size=[300, 8])
    same, other = fid.kernel_distance(a, b, 0), fid.kernel_distance(a, b + 0.5, 0)
    assert abs(same) < 0.05 < 0.5 < other
    assert fid.kernel_distance(a, b, 0) == same != fid.kernel_distance(a, b, 1)


class PooledMeans(keras.Model):
    """In the place of InceptionV3."""

    def call(self, x, training=None):
        return keras.ops.mean(x, axis=(1, 2))


def test_features_have_inceptions_size_and_range(monkeypatch):
    def build(include_top, pooling, input_shape, weights):
        assert (include_top, pooling, input_shape, weights) == (False, "avg", (299, 299, 3), "a file")
        return PooledMeans()

    monkeypatch.setattr(keras.applications, "InceptionV3", build)
    features = fid.Inception("a file", batch=2).features
    flat = np.zeros([3, 8, 8, 3], np.uint8)
    flat[1], flat[2] = 255, 51
    np.testing.assert_allclose(features(flat), np.repeat([[-1], [1], [-0.6]], 3, axis=1), atol=1e-3)
    np.testing.assert_allclose(features(flat[..., :1]), features(flat), atol=1e-5)


def test_no_inception_weights(monkeypatch, tmp_path):
    with pytest.raises(UserError, match="--inception_weights="):
        fid.Inception(str(tmp_path / "none.h5"), batch=2)
    monkeypatch.setattr(keras.applications, "InceptionV3", lambda **options: 1 / 0)  # it would fetch them
    with pytest.raises(fid.NoWeightsError, match="--inception_weights"):
        fid.Inception("", batch=2)


def test_swd_normalises_each_colour_of_its_own():
    """Colours of other contrasts are as far apart: a common scale would let the strongest decide."""
    a, b = (textures(16, seed=seed) // 8 for seed in (0, 1))
    b[..., 1] = b[..., 1] // 4 * 4  # one colour is coarser
    stretched = [images * np.uint8([1, 8, 3]) for images in (a, b)]
    for size, distance in swd.sliced_wasserstein(a, b, 0).items():
        assert swd.sliced_wasserstein(*stretched, 0)[size] == pytest.approx(distance, rel=1e-4)


def test_swd_of_flat_images():
    """A patch of a flat image is one number v, 147 times: its projection is about v N(0, 1), whose mean size is 0.8."""
    a, b = (np.zeros([8, 16, 16, 3], np.uint8) for _ in range(2))
    a[:4], b[:2] = 255, 255
    # Normalised, a is -1, 1 in halves, and b is -1 / sqrt(3) in three quarters and sqrt(3) in one.
    apart = (1 - 3**-0.5) / 2 + (1 + 3**-0.5) / 4 + (3**0.5 - 1) / 4
    distances = swd.sliced_wasserstein(a, b, 0)
    assert distances == {16: pytest.approx(1000 * apart * np.sqrt(2 / np.pi), rel=0.1)}


def test_swd_looks_at_each_set_in_places_of_its_own():
    """A set is not as near to itself as the same patches would be."""
    assert min(swd.sliced_wasserstein(textures(4), textures(4), 0).values()) > 1
