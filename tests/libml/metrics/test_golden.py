"""Measures of fixed images against other libraries and definitions written out in full."""

import numpy as np
import pytest
from scipy.linalg import sqrtm
from scipy.signal import convolve2d
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from libml.metrics import distances, fid, swd


def fixed(count, size, seed):
    """uint8 [count, size, size, 3]: waves of many sizes, whose colours differ in strength."""
    rng = np.random.default_rng(seed)
    at = np.arange(size) / size
    images = np.full([count, size, size, 3], 128.0)
    for _ in range(6):
        y, x, phase = (rng.uniform(low, high, [count, 1, 1, 3]) for low, high in ((0, 8), (0, 8), (0, 1)))
        waves = np.sin(2 * np.pi * (y * at[:, None, None] + x * at[None, :, None] + phase))
        images += waves * rng.uniform(0, [20, 10, 40], [count, 1, 1, 3])
    return np.uint8(np.clip(np.rint(images + rng.normal(0, 4, images.shape)), 0, 255))


KERNEL = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]) / 256


def filtered(image):
    """One colour under the 5 x 5 kernel, mirrored at the border without repeating it."""
    return convolve2d(np.pad(image, 2, mode="reflect"), KERNEL, mode="valid")


def laplacian_pyramid(image):
    """Of one colour, down to 16 pixels: what each level lacks of the one below, and the last one as it is."""
    levels = [image.astype(np.float64)]
    while len(levels[-1]) >= 32:
        small = filtered(levels[-1])[::2, ::2]
        enlarged = np.zeros_like(levels[-1])
        enlarged[::2, ::2] = small
        levels[-1] = levels[-1] - 4 * filtered(enlarged)
        levels.append(small)
    return levels


def descriptors(images, level, rng):
    """128 patches an image, 7 x 7 pixels in 3 colours, each colour brought to mean 0 and deviation 1 over the set."""
    pyramid = np.stack([[laplacian_pyramid(image[..., c])[level] for c in range(3)] for image in images])
    places = [rng.integers(0, pyramid.shape[-1] - 6, 128 * len(images)) for _ in range(2)]
    found = np.stack([pyramid[i // 128, :, y : y + 7, x : x + 7] for i, (y, x) in enumerate(zip(*places, strict=True))])
    for c in range(3):
        found[:, c] = (found[:, c] - found[:, c].mean()) / found[:, c].std()
    return found.transpose(0, 2, 3, 1).reshape(len(found), -1)


def sliced_wasserstein(a, b, seed, level):
    """Mean over 4 x 128 directions of the 1-Wasserstein distance of the projections, times 1000."""
    one, other = (descriptors(x, level, np.random.default_rng([seed, level, i])) for i, x in enumerate((a, b)))
    rng, found = np.random.default_rng([seed, level, 2]), []
    for _ in range(4):
        for direction in rng.standard_normal([128, 147], np.float32).astype(np.float64):
            unit = direction / np.sqrt(np.sum(direction**2))
            found.append(np.mean(np.abs(np.sort(one @ unit) - np.sort(other @ unit))))
    return 1000 * np.mean(found)


def test_sliced_wasserstein_distance_is_that_of_its_definition():
    a, b = fixed(6, 32, 0), fixed(6, 32, 1) // 2 + 60
    found = swd.sliced_wasserstein(a, b, 5)
    assert list(found) == [32, 16]
    for level, size in enumerate(found):
        assert found[size] == pytest.approx(sliced_wasserstein(a, b, 5, level), rel=1e-4)
    assert found[32] > 20


def test_psnr_and_ssim_are_scikit_images():
    a, b = fixed(3, 40, 2), fixed(3, 40, 3)
    b[1] = a[1] // 4 * 4
    options = {"win_size": 11, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    others = [
        structural_similarity(x, y, data_range=255, channel_axis=-1, **options) for x, y in zip(a, b, strict=True)
    ]
    np.testing.assert_allclose(distances.ssim(a, b), others, atol=1e-4)
    others = [peak_signal_noise_ratio(x, y, data_range=255) for x, y in zip(b, a, strict=True)]
    np.testing.assert_allclose(distances.psnr(a, b, 255), others, rtol=1e-6)
    assert others[0] < 20 < 40 < others[1]


def test_frechet_distance_is_that_of_a_root_of_matrices():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=[50, 6]) @ rng.normal(size=[6, 6]), rng.normal(size=[40, 6]) + 1
    A, B = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    expected = np.sum((a.mean(0) - b.mean(0)) ** 2) + np.trace(A + B - 2 * sqrtm(A @ B).real)
    assert fid.frechet_distance(a, b) == pytest.approx(expected, rel=1e-9)
