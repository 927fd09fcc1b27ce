"""One picture file of any common format to the RGB PNG that a dataset stores.

Worker processes import this module: it does without TensorFlow.
"""

import dataclasses
import hashlib
import os
import stat
import warnings

import numpy as np
from PIL import ExifTags, Image, ImageOps, ImageStat, UnidentifiedImageError

from libml.color_profiles import to_srgb
from libml.errors import reason
from libml.images import encode_png

CROPS = ("center", "squash", "none")
SUFFIXES = (
    *(".avif", ".bmp", ".dib", ".gif", ".heic", ".heif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm"),
    *(".png", ".pnm", ".ppm", ".tga", ".tif", ".tiff", ".webp"),
)
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", "AVIF", "JPEG2000", "PPM")  # Pillow also runs PostScript
# By suffix alone: TGA and DIB cannot be told from damage, HEIF needs a package.
_ALSO = {".tga": ("TGA",), ".dib": ("DIB",), ".heic": ("HEIF",), ".heif": ("HEIF",)}
FIRST_FRAME = "of several frames or pages, of which the first is taken"
CONVERTED = "converted from their ICC profile to sRGB"
MAX_PIXELS = 1 << 27  # a larger picture is a decompression bomb or a map: 134 million pixels are 400 MB decoded
BAND = 256  # rows converted at a time: a large picture is not in memory several times over
FLAT_STD = 2.0  # a picture whose every channel deviates less (of 255) is all but one colour
COMPRESS_LEVEL = 1  # a sixth larger than at 6, and made in a third of the time


@dataclasses.dataclass(frozen=True)
class PictureOptions:
    """How pictures are stored."""

    size: int = 512  # sides are reduced to this, never enlarged
    crop: str = "center"  # how a picture becomes square: one of CROPS
    min_size: int = 1  # pictures with a shorter side are left out
    background: tuple[int, int, int] = (255, 255, 255)  # RGB behind transparent pixels


@dataclasses.dataclass(frozen=True)
class StoredPicture:
    """What became of a file: a stored picture, or the reason why there is none."""

    png: bytes = b""
    digest: bytes = b""  # 16 bytes: of the RGB pixels before crop and resize
    shape: tuple[int, int] = (0, 0)  # stored height and width
    problem: str = ""  # why it cannot be read
    small: str = ""  # its size, where it has less than PictureOptions.min_size
    flat: bool = False  # all but one colour
    notes: tuple[str, ...] = ()  # what is special about how it was read: FIRST_FRAME, CONVERTED


def read(relative: str, root: str, options: PictureOptions) -> StoredPicture:
    """Reads one file; a file that cannot be used is described, never raised."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of oddities that it copes with
            image, notes = _open(os.path.join(root, relative), options.background)
            return dataclasses.replace(_stored(image, options), notes=notes)
    except UnidentifiedImageError:
        return StoredPicture(problem="is no PNG, JPEG, WebP, BMP, TIFF, GIF, AVIF, JPEG 2000 or PNM picture")
    except OSError as e:
        return StoredPicture(problem=(e.strerror if e.errno else reason(e)) or "cannot be read")
    except MemoryError:
        return StoredPicture(problem="needs more memory than there is")
    except Exception as e:  # Pillow's decoders meet damage with whatever their code runs into
        return StoredPicture(problem=f"is damaged ({reason(e)})")


def _open(path: str, background: tuple[int, int, int]) -> tuple[Image.Image, tuple[str, ...]]:
    """The first frame as an upright RGB picture of its full size, and notes.

    Raises:
        OSError: with a reason for the user, or from the file system.
        Exception: anything, from Pillow's decoders.
    """
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):  # opening a pipe or a device could wait for ever
        raise OSError("is no regular file")
    if not status.st_size:
        raise OSError("is empty")
    Image.MAX_IMAGE_PIXELS = None  # its own limit is checked here, before anything is decoded
    with Image.open(path, formats=formats(path)) as image:
        width, height = image.size
        if width * height > MAX_PIXELS:
            raise OSError(f"has {width} x {height} pixels, more than {MAX_PIXELS}: refused, it could fill the memory")
        image.load()
        made, converted = _to_rgb(upright(image), background, image.info.get("icc_profile"))
    return made, ((FIRST_FRAME,) if has_frames(path) else ()) + ((CONVERTED,) if converted else ())


def formats(path: str | os.PathLike) -> tuple[str, ...]:
    """Pillow's names of the formats that a file may have.

    Raises:
        OSError: if the package for it is missing.
    """
    also = _ALSO.get(os.path.splitext(path)[1].lower(), ())
    if "HEIF" in also:
        try:
            import pillow_heif
        except ImportError:
            raise OSError("is read with the package pillow-heif only: pip install pillow-heif") from None
        pillow_heif.register_heif_opener()
    return FORMATS + also


def has_frames(path: str | os.PathLike) -> bool:
    """Whether a file is an animation or has several pages; a second picture in a JPEG file is none."""
    try:
        with Image.open(path, formats=formats(path)) as image:  # anew: looking for frames can disturb an open picture
            return image.format not in ("JPEG", "MPO") and bool(getattr(image, "is_animated", False))
    except Exception:  # the first frame was read, whatever is behind it
        return False


def upright(image: Image.Image) -> Image.Image:
    """Turned and mirrored as its EXIF orientation says; damaged EXIF says nothing."""
    try:
        turned = image.getexif().get(ExifTags.Base.Orientation, 1) != 1
        return ImageOps.exif_transpose(image) if turned else image
    except Exception:
        return image


def _to_rgb(image: Image.Image, background: tuple[int, int, int], profile: bytes | None) -> tuple[Image.Image, bool]:
    """Any mode to RGB, 8 bits a channel; transparent pixels over the background. And whether a profile was applied.

    Raises:
        OSError: for values whose range is unknown.
        ValueError: for a mode that Pillow cannot convert.
    """
    if image.mode.startswith(("I", "F")):
        image = _to_8_bits(image)
    image, converted = to_srgb(image, profile)
    if image.has_transparency_data:
        made = Image.new("RGB", image.size)
        for box in _bands(image):
            band = image.crop(box).convert("RGBA")
            band = Image.alpha_composite(Image.new("RGBA", band.size, (*background, 255)), band)
            made.paste(band.convert("RGB"), box)
        return made, converted
    return image if image.mode == "RGB" else image.convert("RGB"), converted


def _bands(image: Image.Image) -> list[tuple[int, int, int, int]]:
    """Boxes (left, upper, right, lower) of BAND rows each that cover an image, from the top."""
    width, height = image.size
    return [(0, y, width, min(y + BAND, height)) for y in range(0, height, BAND)]


def _to_8_bits(image: Image.Image) -> Image.Image:
    """Grey values of 16 bits, wider integers or floats to 0..255."""
    values = np.asarray(image)
    low, high = float(values.min()), float(values.max())
    if not (low >= 0 and high <= 65535):  # NaN too
        raise OSError(f"has values from {low:g} to {high:g}: their range is unknown, make it an 8- or 16-bit picture")
    wide = image.mode.startswith("I;16") or high > 255
    made = np.empty(values.shape, np.uint8)
    for y in range(0, len(values), BAND):
        band = values[y : y + BAND].astype(np.float64)
        if wide:
            band /= 257
        elif image.mode == "F" and high <= 1:
            band *= 255
        made[y : y + BAND] = np.rint(band)
    return Image.fromarray(made)


def _stored(image: Image.Image, options: PictureOptions) -> StoredPicture:
    """Measures, crops, resizes and encodes an RGB picture."""
    width, height = image.size
    if min(width, height) < options.min_size:
        return StoredPicture(small=f"{width} x {height}")
    content = hashlib.blake2b(f"{width}x{height}".encode(), digest_size=16)
    for box in _bands(image):
        content.update(image.crop(box).tobytes())
    fitted = _fit(image, options)
    flat = max(ImageStat.Stat(fitted).stddev) < FLAT_STD
    return StoredPicture(encode_png(np.asarray(fitted), COMPRESS_LEVEL), content.digest(), fitted.size[::-1], flat=flat)


def _fit(image: Image.Image, options: PictureOptions) -> Image.Image:
    """Crops and reduces; the area under each new pixel is averaged."""
    width, height = image.size
    short = min(width, height)
    side = min(short, options.size)
    if options.crop == "none":
        shape, box = (round(width * side / short), round(height * side / short)), (0, 0, width, height)
    elif options.crop == "squash":
        shape, box = (side, side), (0, 0, width, height)
    else:
        left, top = (width - short) // 2, (height - short) // 2
        shape, box = (side, side), (left, top, left + short, top + short)
    return image.resize(shape, Image.Resampling.BOX, box=box)
