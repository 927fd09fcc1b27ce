"""Embedded profiles: colours as their formulas say, pictures without need of conversion untouched."""

import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image, ImageCms

from libml.color_profiles import to_srgb
from tests.support import icc
from tests.support.images import blobs


def embedded(image: Image.Image, profile: bytes, form="PNG", **options) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, format=form, icc_profile=profile, **options)
    return Image.open(buffer)


def converted(image: np.ndarray, profile: bytes, mode=None) -> tuple[np.ndarray, bool]:
    picture = embedded(Image.fromarray(image).convert(mode) if mode else Image.fromarray(image), profile)
    made, changed = to_srgb(picture, picture.info["icc_profile"])
    return np.asarray(made), changed


def test_linear_light_with_blue_and_red_exchanged():
    image = blobs(1, 40)[0]
    made, changed = converted(image, icc.profile(1.0, icc.SRGB[::-1]))
    assert changed
    np.testing.assert_allclose(made[..., ::-1], icc.srgb_levels(image / 255), atol=2)


def test_transparency_stays():
    image = np.concatenate([blobs(1, 40)[0], np.random.default_rng(0).integers(0, 256, [40, 40, 1], np.uint8)], -1)
    made, changed = converted(image, icc.profile(1.0))
    assert changed
    np.testing.assert_allclose(made[..., :3], icc.srgb_levels(image[..., :3] / 255), atol=2)
    np.testing.assert_array_equal(made[..., 3], image[..., 3])


@pytest.mark.parametrize("profile", [icc.profile(1.0), icc.profile(1.0, None)], ids=["RGB", "grey"])
@pytest.mark.parametrize("mode", ["L", "LA"])
def test_grey_pictures(mode, profile):
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    made, changed = converted(grey, profile, mode)
    assert changed
    np.testing.assert_allclose(made[..., 0] if mode == "LA" else made, icc.srgb_levels(grey / 255), atol=1)
    assert mode == "L" or (made[..., 1] == 255).all()


def test_palettes():
    image = Image.fromarray(blobs(1, 40)[0]).quantize(16)
    plain = np.asarray(image.convert("RGB"))
    picture = embedded(image, icc.profile(1.0))
    made, changed = to_srgb(picture, picture.info["icc_profile"])
    assert changed
    np.testing.assert_allclose(np.asarray(made), icc.srgb_levels(plain / 255), atol=2)


def srgb() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


LEFT = [(mode, profile) for profile in (None, b"", b"damaged", srgb()[:200], srgb()) for mode in ("RGB", "RGBA", "L")]
LEFT += [(mode, profile) for profile in (b"damaged", icc.profile(1.0)) for mode in ("CMYK", "1")]  # for other modes
LEFT += [("RGB", icc.profile(1.0, None))]


@pytest.mark.parametrize("mode, profile", LEFT)
def test_what_is_left_alone(mode, profile):
    image = Image.fromarray(blobs(1, 40)[0]).convert(mode)
    before = image.tobytes()
    made, changed = to_srgb(image, profile)
    assert made is image and image.tobytes() == before and not changed


CONVERT = """
import sys
from PIL import Image
from libml.color_profiles import to_srgb
with Image.open(sys.argv[1]) as picture:
    picture.load()
    made, changed = to_srgb(picture, picture.info["icc_profile"])
assert changed
made.save(sys.argv[2])
"""


def test_a_file_that_is_mapped_into_memory_is_converted_and_not_written(tmp_path):
    """In a process of its own: writing into what is mapped ends it."""
    image = np.concatenate([blobs(1, 40)[0], np.full([40, 40, 1], 200, np.uint8)], -1)
    Image.fromarray(image).save(tmp_path / "a.tif", icc_profile=icc.profile(1.0))
    before = (tmp_path / "a.tif").read_bytes()
    command = [sys.executable, "-c", CONVERT, str(tmp_path / "a.tif"), str(tmp_path / "made.png")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    made = np.asarray(Image.open(tmp_path / "made.png"))
    np.testing.assert_allclose(made[..., :3], icc.srgb_levels(image[..., :3] / 255), atol=2)
    assert (made[..., 3] == 200).all() and (tmp_path / "a.tif").read_bytes() == before
