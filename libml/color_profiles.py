"""Colours of an embedded ICC profile to those of sRGB. Needs no TensorFlow."""

import functools
import io

import numpy as np
from PIL import Image, ImageCms

NEARLY = 2  # levels: a profile that moves no colour further is sRGB, whatever it is called
_INTENT, _FLAGS = ImageCms.Intent.RELATIVE_COLORIMETRIC, ImageCms.Flags.BLACKPOINTCOMPENSATION
_EXACT = ImageCms.Flags.NOOPTIMIZE  # without it values are interpolated, and 10 levels wrong in the dark


def to_srgb(image: Image.Image, profile: bytes | None) -> tuple[Image.Image, bool]:
    """A picture in sRGB, and whether that took a conversion.

    Left alone: pictures without a profile, in sRGB, with a damaged profile or one for other kinds of pictures.

    Args:
        image: of 8 bits a channel; it may be changed.
        profile: the content of the embedded profile.
    """
    if not profile:
        return image, False
    if image.mode in ("L", "LA"):
        table = grey_table(profile)
        if table is None:
            return image, False
        identity = list(range(256)) if image.mode == "LA" else []
        return image.point(np.rint(table).astype(int).tolist() + identity), True
    if image.mode == "P":
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    transform = _transform(profile, image.mode) if image.mode in ("RGB", "RGBA", "CMYK") else None
    if transform is None:
        return image, False
    if image.mode == "CMYK":
        return transform.apply(image), True
    if image.readonly:  # a file that Pillow maps into memory: writing into that ends the process
        image = image.copy()
    return transform.apply_in_place(image), True


@functools.cache
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


@functools.lru_cache(8)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """From a profile to sRGB; None if it is that, or for other pictures, or damaged."""
    try:
        found = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        wanted = "RGBA" if mode == "RGBA" else "RGB"
        transform = ImageCms.ImageCmsTransform(found, _srgb(), mode, wanted, _INTENT, flags=_FLAGS)
        if mode == "CMYK":
            return transform
        levels = np.linspace(0, 255, 9).round().astype(np.uint8)
        colours = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(9, 81, 3)
        colours = np.concatenate([colours, np.full([9, 81, 1], 255, np.uint8)], -1) if mode == "RGBA" else colours
        moved = np.asarray(transform.apply(Image.fromarray(colours))).astype(int) - colours
        return transform if np.abs(moved).max() > NEARLY else None
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None


@functools.lru_cache(8)
def grey_table(profile: bytes) -> np.ndarray | None:
    """float32 [256]: the sRGB level of each level of a profile for grey or RGB pictures; None as for _transform."""
    ramp = np.arange(256, dtype=np.uint8)[None]
    for mode, picture in (("L", ramp), ("RGB", ramp[..., None].repeat(3, -1))):
        try:
            found = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            transform = ImageCms.ImageCmsTransform(found, _srgb(), mode, "RGB", _INTENT, flags=_FLAGS | _EXACT)
            table = np.asarray(transform.apply(Image.fromarray(picture)))[0].mean(-1, dtype=np.float32)
        except (ImageCms.PyCMSError, OSError, ValueError):
            continue
        return table if np.abs(table - ramp[0]).max() > NEARLY else None
    return None
