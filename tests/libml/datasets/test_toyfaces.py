"""The embedded dataset of cartoon faces."""

import hashlib
import io
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from libml.datasets import toyfaces, toyfaces_records

PINNED = {
    (0, 0, 32): "6f7818383ee929cb",
    (0, 7, 32): "75f2498df0dfa965",
    (5, 8703, 32): "9199f5c8108c1f47",
    (0, 0, 64): "c5a632958e071c9c",
    (0, 7, 64): "ad5b78a8d86a73d0",
}


@pytest.fixture(scope="module")
def faces():
    return np.stack([toyfaces.draw_face(toyfaces.SEED, index, 32) for index in range(192)])


def box_mean(images, factor):
    *lead, height, width, channels = images.shape
    blocks = images.reshape(*lead, height // factor, factor, width // factor, factor, channels)
    return blocks.astype(np.float64).mean(axis=(-4, -2))


def decode(png):
    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image)


def digest(image):
    return hashlib.sha256(image.tobytes()).hexdigest()[:16]


def test_a_face_is_an_rgb_picture_of_the_asked_size():
    for size in (32, 64, 128, 256):
        image = toyfaces.draw_face(0, 3, size)
        assert image.shape == (size, size, 3)
        assert image.dtype == np.uint8


@pytest.mark.parametrize("face", PINNED, ids=str)
def test_pixels_are_pinned(face):
    assert digest(toyfaces.draw_face(*face)) == PINNED[face]


def test_a_face_depends_on_seed_and_index_alone():
    first = toyfaces.draw_face(1, 2, 32)
    toyfaces.draw_face(9, 9, 64)
    np.testing.assert_array_equal(first, toyfaces.draw_face(1, 2, 32))
    assert (first != toyfaces.draw_face(1, 3, 32)).mean() > 0.5
    assert (first != toyfaces.draw_face(2, 2, 32)).mean() > 0.5


@pytest.mark.parametrize("size", [64, 128, 256])
def test_the_same_person_at_every_size(faces, size):
    for index in range(6):
        large = box_mean(toyfaces.draw_face(toyfaces.SEED, index, size), size // 32)
        error = ((large - faces[index]) ** 2).mean()
        assert 10 * np.log10(255**2 / error) > 36


def test_all_faces_differ(faces):
    assert len({digest(face) for face in faces}) == len(faces)


def test_faces_vary_everywhere_and_most_of_all_in_their_features(faces):
    spread = faces.astype(np.float64).std(axis=0).mean(axis=-1)
    assert spread.min() > 20
    assert spread[14:19, 8:24].mean() > 35  # Eyes.
    assert spread[20:24, 12:20].mean() > 35  # Mouth.


def test_every_kind_of_every_part_occurs_and_can_be_drawn():
    sampled = [toyfaces.sample_face(np.random.Generator(np.random.PCG64(index))) for index in range(1000)]
    for kinds, count in (
        ({face.hair.top for face in sampled}, 9),
        ({face.hair.back for face in sampled}, 8),
        ({face.hair.hat for face in sampled}, 5),
        ({face.hair.beard for face in sampled}, 6),
        ({face.glasses.kind for face in sampled}, 6),
        ({face.nose.kind for face in sampled}, 4),
        ({face.scene.pattern for face in sampled}, 7),
        ({face.scene.clothes for face in sampled}, 6),
        ({face.head.earring for face in sampled}, 4),
        ({face.eyes.closed for face in sampled}, 4),
    ):
        assert len(kinds) == count, kinds


def test_16_pixels_do_not_tell_the_face(faces):
    """Some faces look alike when 4 x 4 pixels large, and quite different in full."""
    small = box_mean(faces, 8).reshape(len(faces), -1)
    full = faces.reshape(len(faces), -1).astype(np.float64)
    pairs = [(a, b) for a in range(len(faces)) for b in range(a)]
    near = [(a, b) for a, b in pairs if np.sqrt(((small[a] - small[b]) ** 2).mean()) < 18]
    apart = [np.sqrt(((full[a] - full[b]) ** 2).mean()) for a, b in near]
    assert sum(distance > 28 for distance in apart) >= 3


def test_generate_is_in_order_and_the_same_with_workers(faces):
    alone = list(toyfaces.generate(toyfaces.SEED, 3, 24, 32, workers=1))
    assert alone == list(toyfaces.generate(toyfaces.SEED, 3, 24, 32, workers=2))
    assert all(png.startswith(b"\x89PNG") for png in alone)
    np.testing.assert_array_equal(np.stack([decode(png) for png in alone]), faces[3:24])


def test_generate_nothing():
    assert list(toyfaces.generate(0, 5, 5, 32)) == []


def test_workers_need_no_tensorflow():
    code = "import sys; import libml.datasets.toyfaces; sys.exit('tensorflow' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_training_and_test_faces_differ(tmp_path, capsys):
    toyfaces_records.make(tmp_path, 32, train=16, test=2)
    said = capsys.readouterr().err.splitlines()  # no terminal: a line at each tenth
    assert len(said) == 1 + 10 and said[1] == "toyfaces32: 2 of 18 faces" and said[-1] == "toyfaces32: 18 of 18 faces"
    for split, numbers in (("train", range(16)), ("test", (8192, 8193))):
        records = tf.data.TFRecordDataset(str(tmp_path / f"toyfaces32-{split}.tfrecord")).as_numpy_iterator()
        stored = [tf.train.Example.FromString(r).features.feature["image"].bytes_list.value[0] for r in records]
        for png, number in zip(stored, numbers, strict=True):
            np.testing.assert_array_equal(decode(png), toyfaces.draw_face(toyfaces.SEED, number, 32))
