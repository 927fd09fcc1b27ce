"""Coloured PNG and TIFF files of 16 bits a channel, of which Pillow alone keeps 8: reading the others, and writing."""

import struct
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from libml.datasets.making.pictures import upright
from libml.errors import UserError

# Pillow's decoders keep the upper byte of each value, as the name of its layout tells: with the other name, the lower.
_SWAPPED = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}
_DEEP = {f"{kind};16{order}": f"{kind};16{_SWAPPED[order]}" for kind in ("RGB", "RGBA") for order in "BLN"}
_DEEP["LA;16B"] = "RGBA"  # grey, its low byte, alpha, its low byte
STRIP = 1 << 20  # bytes of a TIFF file that are compressed together


def low_bytes(path: Path) -> np.ndarray | None:
    """uint8 [h, w, 3]: the lower half of each colour of a picture of 16 bits a channel, upright; None for others.

    Raises:
        Exception: anything, from Pillow's decoders.
    """
    with Image.open(path, formats=("PNG", "TIFF")) as image:
        names = {_name(tile.args) for tile in image.tile}
        if image.mode not in ("RGB", "RGBA") or not names or not names <= set(_DEEP):
            return None
        image.tile = [tile._replace(args=_renamed(tile.args)) for tile in image.tile]
        image.load()
        low = np.asarray(upright(image))[..., :3]
        return low[..., [1, 1, 1]] if "LA;16B" in names else low


def _name(args: Any) -> str:
    return args if isinstance(args, str) else args[0]


def _renamed(args: Any) -> str | tuple:
    return _DEEP[args] if isinstance(args, str) else (_DEEP[args[0]], *args[1:])


def encode_png16(pixels: np.ndarray) -> bytes:
    """A uint16 image [H, W, 1 to 4: grey or RGB, then alpha] as PNG bytes."""
    height, width, channels = pixels.shape
    rows = pixels.astype(">u2").reshape(height, -1).view(np.uint8)
    packer, parts = zlib.compressobj(6), []
    above = np.zeros_like(rows[0])
    for row in rows:
        parts.append(packer.compress(b"\2" + (row - above).tobytes()))  # 2: differences to the row above
        above = row
    content = b"".join([*parts, packer.flush()])
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    head = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunks(content) + _chunk(b"IEND", b"")


def _chunks(content: bytes) -> bytes:
    return b"".join(_chunk(b"IDAT", content[i : i + (1 << 30)]) for i in range(0, len(content), 1 << 30))


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def encode_tiff16(pixels: np.ndarray) -> bytes:
    """A uint16 image [H, W, 1 to 4: grey or RGB, then alpha] as TIFF bytes.

    Raises:
        UserError: if it would be larger than a TIFF file can be.
    """
    height, width, channels = pixels.shape
    at_once = max(1, STRIP // (2 * width * channels))
    strips = []
    for y in range(0, height, at_once):
        rows = pixels[y : y + at_once].astype("<u2")
        rows[:, 1:] -= rows[:, :-1].copy()  # differences to the pixel on the left
        strips.append(zlib.compress(rows.tobytes(), 6))
    offsets = np.cumsum([8, *map(len, strips)])
    if offsets[-1] + 8 * len(strips) > (1 << 32) - 1000:
        raise UserError("its result is too large for a TIFF file: use --format=png")
    tags = {256: (4, [width]), 257: (4, [height]), 258: (3, [16] * channels), 259: (3, [8])}  # 8: Deflate
    tags |= {262: (3, [2 if channels > 2 else 1]), 273: (4, offsets[:-1].tolist()), 277: (3, [channels])}
    tags |= {278: (4, [at_once]), 279: (4, [len(strip) for strip in strips]), 284: (3, [1]), 317: (3, [2])}
    tags |= {338: (3, [2])} if channels in (2, 4) else {}  # 2: alpha that colours are not multiplied with
    end = int(offsets[-1])
    pad = bytes(end % 2)
    return struct.pack("<2sHI", b"II", 42, end + len(pad)) + b"".join(strips) + pad + _directory(tags, end + len(pad))


def _directory(tags: dict[int, tuple[int, list[int]]], start: int) -> bytes:
    """A TIFF file's table of its tags (3: 16 bits, 4: 32), which begins at byte `start`, and their values."""
    table, values = struct.pack("<H", len(tags)), b""
    behind = start + 2 + 12 * len(tags) + 4
    for tag, (kind, numbers) in sorted(tags.items()):
        content = struct.pack(f"<{len(numbers)}{'HI'[kind - 3]}", *numbers)
        table += struct.pack("<HHI", tag, kind, len(numbers))
        if len(content) <= 4:
            table += content.ljust(4, b"\0")
        else:
            table += struct.pack("<I", behind + len(values))
            values += content + bytes(len(content) % 2)
    return table + bytes(4) + values
