"""Features and distances on EfficientNet-Lite0, with its real weights."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import skimage
from PIL import Image
from scipy.ndimage import gaussian_filter, zoom

from libml.datasets.toyfaces import draw_face
from libml.metrics import efficientnet, fid, lite0

CAT = Path(skimage.__file__).parent / "data" / "chelsea.png"


@pytest.fixture(scope="module")
def network():
    return efficientnet.load(efficientnet.package_file() or pytest.skip("its package is not installed"))


@pytest.fixture(scope="module")
def features(network):
    return lite0.Lite0(2, network)


@pytest.fixture(scope="module")
def cat():
    return np.asarray(Image.open(CAT).convert("RGB").crop((60, 30, 284, 254)))


def test_pooled_features_are_the_networks(network, features, cat):
    flipped = np.stack([cat, cat[:, ::-1], cat])  # more than are taken at a time
    np.testing.assert_allclose(features.features(flipped), network(np.float32(flipped))[0], atol=1e-4)
    small = np.stack([np.asarray(Image.fromarray(cat).resize((56, 56), Image.Resampling.BICUBIC))])
    enlarged = np.stack([np.asarray(Image.fromarray(small[0]).resize((224, 224), Image.Resampling.BICUBIC))])
    near, far = features.features(small), features.features(255 - small)
    assert np.linalg.norm(near - network(np.float32(enlarged))[0]) < 0.25 * np.linalg.norm(near - far)
    grey = small[..., :1]
    np.testing.assert_allclose(features.features(grey), features.features(grey.repeat(3, axis=-1)), atol=1e-5)


def test_distances_written_out(features, cat):
    images = np.stack([cat, gaussian_filter(cat, (2, 2, 0)), cat[:, ::-1]])[:, ::2, ::2]
    stages = features.activations(images)
    assert [stage.shape[1:3] for stage in stages] == [(56, 56), (28, 28), (14, 14), (7, 7)]
    np.testing.assert_allclose(np.linalg.norm(stages[1], axis=-1), 1, atol=1e-4)

    def distance(i, j):
        return sum(np.square(stage[i].astype(float) - stage[j]).sum(axis=-1).mean() for stage in stages)

    expected = np.mean([distance(i, j) for i, j in itertools.combinations(range(3), 2)])
    assert lite0.pairwise_distance(stages) == pytest.approx(expected, rel=1e-5)
    maps = lite0.distance_maps([stage[1:] for stage in stages], [stage[0] for stage in stages])
    assert maps.shape == (2, 56, 56)
    assert maps.mean(axis=(1, 2)) == pytest.approx([distance(0, 1), distance(0, 2)], rel=1e-5)
    assert distance(0, 1) < distance(0, 2)  # a soft cat is nearer than one that looks the other way


def test_the_less_true_images_are_the_farther_they_are(features):
    """In both distances: other faces, the same with a little noise, then what bicubic and nearest enlargement make."""
    faces = np.stack([draw_face(0, i, 32) for i in range(12)])
    truth, others = faces[:6], faces[6:]
    small = others.reshape(6, 8, 4, 8, 4, 3).mean((2, 4))
    bicubic = [np.stack([zoom(image, (4, 4, 1), order=3, grid_mode=True, mode="nearest") for image in small])]
    sets = [others, others + np.random.default_rng(0).normal(0, 2.5, others.shape), *bicubic]
    sets.append(small.repeat(4, axis=1).repeat(4, axis=2))
    found = [features.features(np.uint8(np.clip(np.rint(images), 0, 255))) for images in (truth, *sets)]
    kernel = [fid.kernel_distance(f, found[0], 0) for f in found[1:]]
    frechet = [fid.frechet_distance(*map(lite0.projected, (f, found[0]))) for f in found[1:]]
    assert kernel == sorted(kernel) and 5 * kernel[0] < kernel[1] and frechet == sorted(frechet)


def test_projections_keep_distances_on_average():
    x = np.random.default_rng(1).normal(size=[200, 1280])
    found = lite0.projected(x)
    assert found.shape == (200, 128)
    assert np.square(found).sum() / np.square(x).sum() == pytest.approx(128 / 1280, rel=0.05)


def test_no_package(monkeypatch):
    monkeypatch.setattr(efficientnet, "package_file", lambda: None)
    with pytest.raises(lite0.NoPackageError, match=r"requirements-features\.txt"):
        lite0.Lite0(2)
