"""Pictures of 8 bits and files of them."""

import io

import numpy as np
import tensorflow as tf
from PIL import Image

from libml.images import encode_png, grid, round_levels, save_png, to_float, to_levels, to_uint8


def test_pixels_are_rounded_and_clipped():
    levels = np.arange(256)
    np.testing.assert_array_equal(to_uint8(levels / 127.5 - 1), levels)
    np.testing.assert_array_equal(to_uint8((levels[1:-1] + 0.4) / 127.5 - 1), levels[1:-1])
    np.testing.assert_array_equal(to_uint8((levels[1:-1] - 0.4) / 127.5 - 1), levels[1:-1])
    np.testing.assert_array_equal(to_uint8(np.array([-1.1, -9, 1.1, 9])), [0, 0, 255, 255])


def test_levels_and_floats_are_each_others_inverse():
    levels = np.arange(256, dtype=np.uint8)
    floats = to_float(levels)
    assert floats.dtype == np.float32 and (floats[0], floats[255]) == (-1, 1) and np.all(np.diff(floats) > 0)
    np.testing.assert_allclose(floats, np.linspace(-1, 1, 256), atol=1e-7)
    np.testing.assert_allclose(to_levels(floats), levels, atol=1e-4)
    np.testing.assert_array_equal(round_levels(to_levels(floats)), levels)
    for array in (floats, to_levels(floats)):
        assert array.dtype == np.float32


def test_tensors_become_what_arrays_do():
    levels = np.linspace(0, 255, 1001, dtype=np.float32)
    np.testing.assert_array_equal(to_float(tf.constant(levels)), to_float(levels))
    np.testing.assert_array_equal(to_levels(tf.constant(levels / 128 - 1)), to_levels(levels / 128 - 1))


def test_a_grid_has_its_rows_below_each_other():
    cells = np.arange(6)[:, None, None, None] + np.zeros([6, 2, 5, 3])
    picture = grid(cells.reshape(2, 3, 2, 5, 3))
    assert picture.shape == (4, 15, 3)
    np.testing.assert_array_equal(picture[::2, ::5, 0], [[0, 1, 2], [3, 4, 5]])


def test_files_hold_the_pixels(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, [5, 7, 3], np.uint8)
    for image in (pixels, pixels[..., :1]):
        for level in (1, 9):
            read = np.array(Image.open(io.BytesIO(encode_png(image, level))))
            np.testing.assert_array_equal(read.reshape(image.shape), image)
    save_png(tmp_path / "folder" / "image.png", pixels / 127.5 - 1)
    np.testing.assert_array_equal(Image.open(tmp_path / "folder" / "image.png"), pixels)
