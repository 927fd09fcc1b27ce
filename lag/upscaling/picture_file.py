"""Picture files of any mode as a model's input, and its output as a picture of the same kind."""

import hashlib
import io
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from lag.upscaling.deep_pictures import encode_png16, encode_tiff16, low_bytes
from lag.upscaling.result_kinds import KINDS
from libml.color_profiles import grey_table, to_srgb
from libml.datasets.making.pictures import CONVERTED, FIRST_FRAME, MAX_PIXELS, formats, has_frames, upright
from libml.errors import UserError, reason
from libml.images import as_pillow, encode_png, to_float
from libml.system.files import local_copy

MAX_RESULT_PIXELS = 1 << 30  # 3 GiB as an array, up to 10 GiB while they are encoded

ALL = slice(None)

CUT = "read with 8 of their 16 bits, because of their ICC profile"
LUMA = np.array([19595, 38470, 7471], np.float32) / 65536  # Pillow's weights of red, green and blue

_GREY_MODES = ("1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N")


class Picture(NamedTuple):
    """A picture, upright, as a model with a certain number of colours is shown it."""

    pixels: np.ndarray  # float32 [h, w, colours of the result], 0..255; 16-bit files keep their fractions
    alpha: np.ndarray | None  # uint8 [h, w]
    treatment: str  # what was done to its colours, '' for nothing
    content: str  # hash of the pixels: the same for copies, whatever they are called and however they are compressed
    notes: tuple[str, ...] = ()  # what is special about how it was read, to be said once a run

    @property
    def remarks(self) -> tuple[str, ...]:
        """All that is to be said of how it was read: its treatment, then its notes."""
        return ((f"with {self.treatment}",) if self.treatment else ()) + self.notes

    def lores(self, colors: int, rows: slice = ALL, columns: slice = ALL) -> np.ndarray:
        """A part of it as float32 [1, rows, columns, colors] in [-1, 1]."""
        pixels = self.pixels[rows, columns]
        pixels = pixels if pixels.shape[-1] == colors else pixels.repeat(colors, axis=-1)
        return to_float(pixels[None])


def read_picture(path: Path, colors: int, scale: int = 1) -> Picture:
    """As read_small_picture, a picture of any size."""
    picture = read_small_picture(path, colors, scale, MAX_PIXELS)
    assert picture is not None
    return picture


def read_small_picture(path: Path, colors: int, scale: int, most: int) -> Picture | None:
    """Reads a picture file; of an animation the first frame.

    EXIF orientation is applied, and an ICC profile; palettes, CMYK and other colour spaces become RGB. A grey picture
    stays grey: a model of three colours is shown it as RGB, and the result is averaged over the colours. A coloured
    picture for a model of one colour becomes grey.

    Args:
        path: the file.
        colors: of the model, 1 or 3.
        scale: of the model: the result has scale x scale times as many pixels.
        most: pixels; what a larger picture shows is not read.

    Returns:
        The picture; None if it is larger than that.

    Raises:
        UserError: if it is damaged, too large, or no picture.
    """
    if path.exists() and not path.is_file():  # opening a pipe or a device could wait for ever
        raise UserError("it is no regular file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd metadata is no reason to talk
            Image.MAX_IMAGE_PIXELS = None  # Pillow's own limit; _check_size looks before anything is decoded
            with local_copy(path) as copy:
                return _read(copy, colors, scale, most)
    except (UserError, MemoryError):
        raise
    except Exception as e:  # Pillow's decoders meet damage with whatever their code runs into
        raise UserError(f"cannot read it as a picture: {reason(e)}") from e


def _read(path: Path, colors: int, scale: int, most: int) -> Picture | None:
    with Image.open(path, formats=formats(path)) as file:
        _check_size(*file.size, scale)
        if file.width * file.height > most:
            return None
        low = low_bytes(path) if file.format in ("PNG", "TIFF") else None
        file.load()
        picture = _picture(upright(file), colors, file.info.get("icc_profile"), low)
    return picture._replace(notes=picture.notes + ((FIRST_FRAME,) if has_frames(path) else ()))


def _check_size(width: int, height: int, scale: int) -> None:
    if width * height > MAX_PIXELS:
        raise UserError(f"it has {width} x {height} pixels, more than {MAX_PIXELS}: refused, it could fill the memory")
    if scale**2 * width * height > MAX_RESULT_PIXELS:
        size = f"{scale * width} x {scale * height}"
        raise UserError(f"its result would have {size} pixels, more than {MAX_RESULT_PIXELS}: cut it into parts")


def _picture(image: Image.Image, colors: int, profile: bytes | None, low: np.ndarray | None) -> Picture:
    """From an upright picture, its ICC profile and the lower halves of its 16 bits."""
    if image.mode == "F":
        raise UserError("cannot read it as a picture: its floating-point values have no known range")
    notes: tuple[str, ...] = ()
    if not _is_deep(image):
        image, converted = to_srgb(image, profile)
        notes = (CONVERTED,) if converted else ()
        if converted and low is not None:
            low, notes = None, (CONVERTED, CUT)
    grey, deep, alpha = image.mode in _GREY_MODES, _is_deep(image), None
    if image.has_transparency_data and not deep:
        image = image.convert("LA" if grey else "RGBA")
        alpha = np.array(image.getchannel("A"))
        image = image.convert("L" if grey else "RGB")
    if low is not None:
        pixels = (np.array(image.convert("RGB"), np.float32) * 256 + low) / np.float32(257)
        pixels = pixels if colors == 3 else pixels @ LUMA[:, None]
    elif grey:
        pixels = _grey_levels(image)[..., None]
        table = grey_table(profile) if deep and profile else None
        if table is not None:
            pixels, notes = np.interp(pixels, np.arange(256), table).astype(np.float32), (CONVERTED,)
    elif colors == 3:
        pixels = np.array(image.convert("RGB"), np.float32)
    else:
        pixels = np.array(image.convert("RGB").convert("L"), np.float32)[..., None]
    treatment = {(True, 3): "grey shown as RGB", (False, 1): "colours made grey"}.get((grey, colors), "")
    return Picture(pixels, alpha, treatment, content_hash(pixels, alpha), notes)


def content_hash(pixels: np.ndarray, alpha: np.ndarray | None = None) -> str:
    """A name for the contents of a picture: float32 [h, w, C] in 0..255, and its transparency."""
    digest = hashlib.sha256(str(pixels.shape).encode())
    digest.update(np.ascontiguousarray(pixels).data)
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


def encode_result(pixels: np.ndarray, alpha: np.ndarray | None, scale: int, form: str = "png") -> bytes:
    """A large picture as a file, with the small one's transparency enlarged (bicubic).

    Args:
        pixels: uint8 [scale h, scale w, 1 or 3]; or uint16, for png and tiff.
        alpha: uint8 [h, w], or None for an opaque picture.
        scale: how much larger it is.
        form: one of KINDS.

    Raises:
        UserError: if files of that kind hold no such picture.
    """
    large = None
    if alpha is not None:
        h, w = alpha.shape
        large = Image.fromarray(alpha).resize((scale * w, scale * h), Image.Resampling.BICUBIC)
    if pixels.dtype == np.uint16:
        if large is not None:
            pixels = np.concatenate([pixels, np.asarray(large, np.uint16)[..., None] * np.uint16(257)], -1)
        return encode_png16(pixels) if form == "png" else encode_tiff16(pixels)
    if form == "png" and large is None:
        return encode_png(pixels)
    if form == "jpeg" and large is not None:
        raise UserError("it has transparent pixels, which JPEG files cannot have: use --format=png, webp or tiff")
    image = as_pillow(pixels)
    if (most := KINDS[form].longest) and most < max(image.size):
        raise UserError(f"its result has {image.width} x {image.height} pixels, a {form} file at most {most} a side")
    if large is not None:
        image.putalpha(large)
    buffer = io.BytesIO()
    image.save(buffer, **KINDS[form].save)
    return buffer.getvalue()
