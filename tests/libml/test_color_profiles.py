"""Embedded profiles: colours as their formulas say, pictures without need of conversion untouched."""

import io

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
