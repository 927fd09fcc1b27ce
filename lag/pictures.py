"""Picture files of any mode as a model's input, and its output as a picture of the same kind."""

import hashlib
import io
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from libml.datasets.pictures import FORMATS, MAX_PIXELS, upright
from libml.errors import UserError, reason
from libml.images import encode_png, to_float

SUFFIXES = (
    *(".avif", ".bmp", ".gif", ".jp2", ".jpeg", ".jpg", ".pbm", ".pgm"),
    *(".png", ".pnm", ".ppm", ".tga", ".tif", ".tiff", ".webp"),
)

# The formats of these suffixes, and no others: Pillow also reads PostScript, by running it. AVIF is the last, as Pillow
# before 11.3 does not know its name.
_FORMATS = (*FORMATS, "JPEG2000", "PPM", "TGA", "AVIF")
MAX_RESULT_PIXELS = 1 << 30  # 3 GiB as an array, up to 10 GiB while they are encoded

ALL = slice(None)

_GREY_MODES = ("1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N")


class Picture(NamedTuple):
    """A picture, upright, as a model with a certain number of colours is shown it."""

    pixels: np.ndarray  # float32 [h, w, colours of the result], 0..255; 16-bit files keep their fractions
    alpha: np.ndarray | None  # uint8 [h, w]
    treatment: str  # what was done to its colours, '' for nothing
    content: str  # hash of the pixels: the same for copies, whatever they are called and however they are compressed

    def lores(self, colors: int, rows: slice = ALL, columns: slice = ALL) -> np.ndarray:
        """A part of it as float32 [1, rows, columns, colors] in [-1, 1]."""
        pixels = self.pixels[rows, columns]
        pixels = pixels if pixels.shape[-1] == colors else pixels.repeat(colors, axis=-1)
        return to_float(pixels[None])


def read_picture(path: Path, colors: int, scale: int = 1) -> Picture:
    """Reads a picture file; of an animation the first frame.

    EXIF orientation is applied; palettes, CMYK and other colour spaces become RGB. A grey picture stays grey: a model
    of three colours is shown it as RGB, and the result is averaged over the colours. A coloured picture for a model
    of one colour becomes grey.

    Args:
        path: the file.
        colors: of the model, 1 or 3.
        scale: of the model: the result has scale x scale times as many pixels.

    Raises:
        UserError: if it is damaged, too large, or no picture.
    """
    if path.exists() and not path.is_file():  # opening a pipe or a device could wait for ever
        raise UserError("it is no regular file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd metadata is no reason to talk
            Image.MAX_IMAGE_PIXELS = None  # Pillow's own limit; _check_size looks before anything is decoded
            with Image.open(path, formats=_FORMATS) as file:
                _check_size(*file.size, scale)
                file.load()
                return _picture(upright(file), colors)
    except (UserError, MemoryError):
        raise
    except Exception as e:  # Pillow's decoders meet damage with whatever their code runs into
        raise UserError(f"cannot read it as a picture: {reason(e)}") from e


def _check_size(width: int, height: int, scale: int) -> None:
    if width * height > MAX_PIXELS:
        raise UserError(f"it has {width} x {height} pixels, more than {MAX_PIXELS}: refused, it could fill the memory")
    if scale**2 * width * height > MAX_RESULT_PIXELS:
        size = f"{scale * width} x {scale * height}"
        raise UserError(f"its result would have {size} pixels, more than {MAX_RESULT_PIXELS}: cut it into parts")


def _picture(image: Image.Image, colors: int) -> Picture:
    if image.mode == "F":
        raise UserError("cannot read it as a picture: its floating-point values have no known range")
    grey, deep, alpha = image.mode in _GREY_MODES, _is_deep(image), None
    if image.has_transparency_data and not deep:
        image = image.convert("LA" if grey else "RGBA")
        alpha = np.array(image.getchannel("A"))
        image = image.convert("L" if grey else "RGB")
    if grey:
        pixels, treatment = _grey_levels(image)[..., None], "grey shown as RGB" if colors == 3 else ""
    elif colors == 3:
        pixels, treatment = np.array(image.convert("RGB"), np.float32), ""
    else:
        pixels, treatment = np.array(image.convert("RGB").convert("L"), np.float32)[..., None], "colours made grey"
    return Picture(pixels, alpha, treatment, content_hash(pixels, alpha))


def content_hash(pixels: np.ndarray, alpha: np.ndarray | None = None) -> str:
    """A name for the contents of a picture: float32 [h, w, C] in 0..255, and its transparency."""
    digest = hashlib.sha256(str(pixels.shape).encode())
    digest.update(np.ascontiguousarray(pixels))
    if alpha is not None:
        digest.update(alpha.tobytes())
    return digest.hexdigest()


def _is_deep(image: Image.Image) -> bool:
    """Whether its grey values have more than 8 bits."""
    return image.mode == "I" or image.mode.startswith("I;")


def _grey_levels(image: Image.Image) -> np.ndarray:
    """A grey picture of any depth as float32 [h, w] in 0..255."""
    if _is_deep(image):
        values = np.array(image, np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise UserError("cannot read it as a picture: its values are outside of 16 bits")
        return (values / 257).astype(np.float32)
    return np.array(image.convert("L"), np.float32)


def encode_result(pixels: np.ndarray, alpha: np.ndarray | None, scale: int) -> bytes:
    """A large picture as PNG, with the small one's transparency enlarged (bicubic).

    Args:
        pixels: uint8 [scale h, scale w, 1 or 3].
        alpha: uint8 [h, w], or None for an opaque picture.
        scale: how much larger it is.
    """
    if alpha is None:
        return encode_png(pixels)
    h, w = alpha.shape
    image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    image.putalpha(Image.fromarray(alpha).resize((scale * w, scale * h), Image.Resampling.BICUBIC))
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", compress_level=6)
    return buffer.getvalue()
