"""Pictures of 16 bits a channel: read and written as other libraries do."""

import io

import numpy as np
import pytest
import tensorflow as tf
import tifffile
from PIL import Image

from lag.upscaling.deep_pictures import encode_png16, encode_tiff16
from lag.upscaling.picture_file import read_picture
from tests.support import icc


def noise(channels: int, height: int = 21, width: int = 13) -> np.ndarray:
    """uint16 [height, width, channels] of values in all their range."""
    values = np.random.default_rng(channels).integers(0, 65536, [height, width, channels], np.uint16)
    values[0], values[1] = 0, 65535
    return values


def check(path, expected: np.ndarray, atol=1e-4) -> None:
    """Read, its colours are what a file holds."""
    pixels = read_picture(path, 3 if expected.shape[-1] == 3 else 1).pixels
    np.testing.assert_allclose(pixels, expected / 257, atol=atol)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_png_files_keep_all_bits(tmp_path, channels):
    values = noise(channels)
    (tmp_path / "a.png").write_bytes(tf.io.encode_png(values).numpy())
    check(tmp_path / "a.png", values[..., :3])
    picture = read_picture(tmp_path / "a.png", 3)
    assert (picture.alpha is None) == (channels < 4)
    if channels == 4:
        np.testing.assert_array_equal(picture.alpha, values[..., 3] >> 8)


def test_grey_with_transparency(tmp_path):
    values = noise(2)
    (tmp_path / "a.png").write_bytes(tf.io.encode_png(values).numpy())
    check(tmp_path / "a.png", values[..., [0, 0, 0]])


def test_a_grey_model_sees_all_bits(tmp_path):
    values = noise(3)
    (tmp_path / "a.png").write_bytes(tf.io.encode_png(values).numpy())
    luma = values @ np.array([[0.299], [0.587], [0.114]]) / 257
    np.testing.assert_allclose(read_picture(tmp_path / "a.png", 1).pixels, luma, atol=0.01)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"compression": "zlib", "predictor": True}], ids=str)
@pytest.mark.parametrize("channels", [3, 4])
def test_tiff_files_keep_all_bits(tmp_path, channels, options, order):
    values = noise(channels)
    extra = {"extrasamples": ["unassalpha"]} if channels == 4 else {}
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb", byteorder=order, **options, **extra)
    check(tmp_path / "a.tif", values[..., :3])


def test_lzw_as_pillow_writes_it_is_read_as_before(tmp_path):
    values = np.random.default_rng(0).integers(0, 256, [9, 7, 3], np.uint8)
    Image.fromarray(values).save(tmp_path / "a.tif", compression="tiff_lzw")
    np.testing.assert_array_equal(read_picture(tmp_path / "a.tif", 3).pixels, values)


def test_orientation_turns_all_bits(tmp_path):
    values = noise(3)
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb", extratags=[(274, "H", 1, 6, True)])
    check(tmp_path / "a.tif", np.rot90(values, -1))


def test_a_profile_takes_the_lower_bits(tmp_path):
    values = noise(3)
    profile = icc.profile(1.0)
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb", iccprofile=profile)
    picture = read_picture(tmp_path / "a.tif", 3)
    np.testing.assert_allclose(picture.pixels, icc.srgb_levels((values >> 8) / 255), atol=2)
    assert any("8 of their 16 bits" in note for note in picture.notes)


def test_a_grey_profile_keeps_fractions(tmp_path):
    values = np.linspace(20000, 21000, 64).astype(np.uint16).reshape(8, 8)
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, format="PNG", icc_profile=icc.profile(1.0, None))
    (tmp_path / "a.png").write_bytes(buffer.getvalue())
    pixels = read_picture(tmp_path / "a.png", 1).pixels[..., 0]
    np.testing.assert_allclose(pixels, icc.srgb_levels(values / 65535), atol=0.7)
    assert len(np.unique(pixels)) > 32


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("width", [13, 90_000])  # the latter: several strips
def test_what_is_written_is_read_by_others(channels, width):
    values = noise(channels, 5, width)
    np.testing.assert_array_equal(tf.io.decode_png(encode_png16(values), dtype=tf.uint16), values)
    found = tifffile.imread(io.BytesIO(encode_tiff16(values)))
    np.testing.assert_array_equal(found.reshape(values.shape), values)
