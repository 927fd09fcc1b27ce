"""Pictures of all formats and modes, cut, spoilt, promising too much, given to upscaling and to making a dataset."""

import io
import os
import struct
import zlib
from pathlib import Path
from random import Random

import numpy as np
from PIL import Image

from tests.fuzzing.damage import spoil
from tests.fuzzing.places import RUN, bring
from tests.fuzzing.trial import Trial

MODES = {  # that Pillow writes
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16", "I"),
    "JPEG": ("L", "RGB", "CMYK"),
    "WEBP": ("RGB", "RGBA"),
    "BMP": ("1", "L", "P", "RGB", "RGBA"),
    "TIFF": ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I;16", "I", "F"),
    "GIF": ("1", "L", "P", "RGB"),
    "PPM": ("1", "L", "RGB", "I"),
    "TGA": ("L", "LA", "P", "RGB", "RGBA"),
    "JPEG2000": ("L", "RGB", "RGBA"),
    "AVIF": ("RGB", "RGBA"),
    "ICO": ("RGBA",),
    "EPS": ("RGB",),
    "PDF": ("RGB",),
    "PCX": ("L", "RGB"),
    "SGI": ("L", "RGB"),
    "IM": ("L", "F"),
    "DDS": ("RGBA",),
    "ICNS": ("RGBA",),
    "MSP": ("1",),
}
SUFFIXES = {
    "PNG": "png",
    "JPEG": "jpg",
    "WEBP": "webp",
    "BMP": "bmp",
    "TIFF": "tif",
    "GIF": "gif",
    "PPM": "ppm",
    "TGA": "tga",
}
SUFFIXES |= {"JPEG2000": "jp2", "AVIF": "avif"}
COMPRESSIONS = (None, "tiff_lzw", "tiff_adobe_deflate", "packbits")


def picture(chance: Random) -> tuple[str, bytes]:
    """(format, file) of some format, mode and size, with oddities."""
    form = chance.choice((*("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF") * 3, *MODES))
    mode = chance.choice(MODES[form])
    size = (chance.choice((1, 2, 5, 16, 33)), chance.choice((1, 3, 8, 20)))
    image, file = _image(chance, mode, size), io.BytesIO()
    try:
        image.save(file, form, **_options(chance, form, image))
    except (OSError, ValueError, KeyError, SyntaxError, SystemError, struct.error):  # what this Pillow cannot write
        file = io.BytesIO()
        Image.new("L", size, chance.randrange(256)).save(file, "PNG")
        form = "PNG"
    return form, file.getvalue()


def _image(chance: Random, mode: str, size: tuple[int, int]) -> Image.Image:
    noise = np.frombuffer(chance.randbytes(4 * size[0] * size[1]), np.uint8).reshape(size[1], size[0], 4)
    if mode == "F":
        low, high = chance.choice(((0, 1), (0, 255), (-1e30, 1e30), (0, np.nan), (np.inf, 0)))
        return Image.fromarray((low + noise[..., 0] / 255 * high).astype(np.float32))
    if mode in ("I", "I;16"):
        scale = chance.choice((1, 257, 100000 if mode == "I" else 1, -1 if mode == "I" else 1))
        return Image.fromarray((noise[..., 0].astype(np.int64) * scale).astype(np.int32 if mode == "I" else np.uint16))
    image = Image.fromarray(noise, "RGBA")
    if mode == "P":
        return image.convert("RGB").quantize(chance.choice((1, 2, 7, 256)))
    if mode in ("YCbCr", "LAB", "CMYK"):
        return Image.frombytes(mode, size, chance.randbytes(len(Image.new(mode, size).tobytes())))
    return image.convert(mode)


def _options(chance: Random, form: str, image: Image.Image) -> dict:
    options: dict = {}
    if chance.randrange(3) == 0:
        exif = Image.Exif()
        exif[0x112] = chance.choice((*range(10), 65535))
        options["exif"] = chance.choice((exif, b"Exif\0\0" + chance.randbytes(30), b"Exif\0\0MM\0*\0\0\0\x08\xff\xff"))
    if form == "TIFF":
        fax = ("group4", "tiff_ccitt") if image.mode == "1" else ()
        options = {"compression": chance.choice((*COMPRESSIONS, *fax))}
    elif form == "PNG" and chance.randrange(3) == 0:
        options["transparency"] = chance.choice((0, 300, b"\0\xff", (1, 2, 3), b""))
    elif form in ("GIF", "WEBP", "PNG", "TIFF") and chance.randrange(4) == 0:
        options |= {"save_all": True, "append_images": [image] * chance.choice((1, 5))}
    elif form == "JPEG":
        options |= {"progressive": bool(chance.randrange(2)), "quality": chance.choice((1, 75, 100))}
    return options


def chunk(kind: bytes, content: bytes) -> bytes:
    """Of a PNG."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def bomb(chance: Random) -> tuple[str, bytes]:
    """(format, file) whose header promises far more pixels than anybody has."""
    width, height = chance.choice(
        ((60000, 60000), (1 << 31 - 1, 1), (1, 1 << 30), (0, 0), (65535, 65535), (20000, 10000))
    )
    form = chance.choice(("PNG", "PNG", "BMP", "GIF", "PPM", "TGA", "TIFF", "JPEG"))
    if form == "PNG":
        header = struct.pack(
            ">IIBBBBB",
            width,
            height,
            *chance.choice(((8, 2, 0, 0, 0), (1, 0, 0, 0, 1), (16, 6, 0, 0, 0), (8, 3, 0, 0, 0))),
        )
        rows = zlib.compress(bytes(chance.choice((10, 1 << 16))))
        text = chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(80 << 20))) if chance.randrange(4) == 0 else b""
        return form, b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + text + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    if form == "BMP":
        compression, bits = chance.choice(((0, 24), (1, 8), (2, 4), (3, 16)))
        head = struct.pack("<IiiHHIIiiII", 40, width % (1 << 31), -height, 1, bits, compression, 0, 0, 0, 0, 0)
        return form, b"BM" + struct.pack("<IHHI", 100, 0, 0, 54) + head + bytes(100)
    if form == "GIF":
        size = struct.pack("<HH", width % 65536, height % 65536)
        return form, b"GIF89a" + size + b"\x80\0\0" + bytes(6) + b"," + bytes(4) + size + b"\0\x02\x02D\x01\0;"
    if form == "PPM":
        return form, b"P%d %d %d %d\n" % (
            chance.choice((1, 3, 4, 5, 6)),
            width,
            height,
            chance.choice((1, 255, 65535)),
        ) + bytes(20)
    if form == "TGA":
        kind = chance.choice((2, 3, 10, 11))
        return form, struct.pack(
            "<BBBHHBHHHHBB", 0, 0, kind, 0, 0, 0, 0, 0, width % 65536, height % 65536, 24, 0
        ) + bytes(30)
    if form == "JPEG":
        file = io.BytesIO()
        Image.new("RGB", (8, 8)).save(file, "JPEG")
        data = bytearray(file.getvalue())
        at = data.find(b"\xff\xc0") + 5
        data[at : at + 4] = struct.pack(">HH", height % 65536, width % 65536)
        return form, bytes(data)
    tags = (
        (256, 4, 1, width % (1 << 31)),
        (257, 4, 1, height),
        (258, 3, 1, 8),
        (259, 3, 1, chance.choice((1, 5, 8))),
        (262, 3, 1, 1),
    )
    tags += ((273, 4, 1, 200), (277, 3, 1, 1), (278, 4, 1, height), (279, 4, 1, 100))
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return form, b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + entries + bytes(4) + bytes(200)


NAMES = (
    "a",
    "x.y",
    "é",
    "💥",
    "\udcff",
    "a b",
    "a\nb",
    "a\rb",
    "=1+1",
    "n" * 200,
    "n" * 240,
    "-",
    "%s",
    "{x}",
    "_0",
    "0_0",
    "ä" * 60,
    "'",
    '"',
)


def bad_file(chance: Random, folder: Path) -> None:
    """Puts something into a folder that looks like a picture by its name."""
    form, data = bomb(chance) if chance.randrange(4) == 0 else picture(chance)
    if chance.randrange(2):
        data = spoil(chance, data)
    suffix = (
        SUFFIXES.get(form, "png") if chance.randrange(5) else chance.choice((*SUFFIXES.values(), "PNG", "jpeg", "heic"))
    )
    name = f"{chance.choice(NAMES)}.{suffix}"
    if chance.randrange(6) == 0:
        name = f"{chance.choice(('sub', 'é', 'a.png', '-'))}/{name}"
    path = folder / name
    if path.parent.exists() and not path.parent.is_dir():
        path = folder / path.name
    path.parent.mkdir(exist_ok=True)
    if os.path.lexists(path):  # nothing is written through a link
        path = path.with_name(f"z{chance.randrange(10**9)}.png")
    way = chance.randrange(24)
    if way == 0:
        path.mkdir()
    elif way == 1:
        targets = ("..", ".", "nowhere", path.name, "0.png", "/dev/zero", "/dev/tty", "/proc/self/mem")
        path.symlink_to(chance.choice(targets))
    elif way == 2:
        os.mkfifo(path)
    else:
        path.write_bytes(data)


def make(chance: Random, box: Path, kit: Path) -> Trial:
    """Two good pictures and some bad ones, or one bad one alone, for one of the two programs."""
    bring(kit, box, "pictures")
    for _ in range(chance.choice((1, 1, 2, 4))):
        bad_file(chance, box / "pictures")
    if chance.randrange(3) == 0:
        for good in ("0.png", "1.png"):
            (box / "pictures" / good).unlink()
    if chance.randrange(2):
        args = ("--input=pictures", "--name=cats", "--data_dir=data", f"--workers={chance.choice((1, 1, 1, 2))}")
        more = (f"--crop={chance.choice(('center', 'squash', 'none'))}", f"--min_size={chance.choice((1, 1, 8))}")
        return Trial("scripts/create_datasets.py", (*args, *more, "--test_fraction=0.5"), may_add=("data", "data/*"))
    model = "export" if chance.randrange(3) else RUN
    bring(kit, box, model.partition("/")[0])
    source = "pictures"
    if chance.randrange(4) == 0:
        source = chance.choice(sorted(str(p.relative_to(box)) for p in (box / "pictures").iterdir()))
    more = chance.choice(((), ("--grid",), ("--consistent",), ("--tile=4",)))
    if model == RUN and chance.randrange(2):
        more += ("--best=1", "--of=2")
    else:
        more += ("--samples=2",)
    args = (f"--model={model}", f"--input={source}", "--output=new", *more)
    return Trial("scripts/upscale.py", args, may_add=("new", "new/*"))
