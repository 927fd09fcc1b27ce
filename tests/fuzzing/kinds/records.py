"""TFRecord files, cut, flipped, with wrong features and hostile lengths, read by all that reads them."""

import io
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from random import Random

import numpy as np
from PIL import Image

from tests.fuzzing.damage import spoil, spoil_file
from tests.fuzzing.kinds.pictures import picture
from tests.fuzzing.places import LAG_FLAGS, NOISE, RUN, bring
from tests.fuzzing.trial import Trial

LENGTHS = (0, 1, 1 << 20, 1 << 31, 1 << 32, 1 << 40, 1 << 62, (1 << 63) - 1, 1 << 63, (1 << 64) - 1, (1 << 64) - 16)


def _table() -> list[int]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


TABLE = _table()


def masked_crc(data: bytes) -> int:
    """The checksum of the format: CRC-32C, turned and shifted."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def framed(data: bytes, length: int | None = None) -> bytes:
    """A record with right checksums, of another length if asked for."""
    head = struct.pack("<Q", len(data) if length is None else length)
    return head + struct.pack("<I", masked_crc(head)) + data + struct.pack("<I", masked_crc(data))


def unframed(content: bytes) -> Iterator[bytes]:
    """The data of the records of a good file."""
    while content:
        (length,) = struct.unpack_from("<Q", content)
        yield content[12 : 12 + length]
        content = content[16 + length :]


def _field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def example(features: dict[bytes, bytes]) -> bytes:
    """A tf.train.Example of encoded features."""
    entries = (_field(1, _field(1, name) + _field(2, feature)) for name, feature in features.items())
    return _field(1, b"".join(entries))


def texts(*values: bytes) -> bytes:
    """A feature of bytes."""
    return _field(1, b"".join(_field(1, value) for value in values))


def bad_example(chance: Random, good: bytes) -> bytes:
    """A record that is no image of the dataset, or an unusual one."""
    way = chance.randrange(12)
    if way == 0:
        return spoil(chance, good)
    if way == 1:
        return chance.choice((b"", b"\0", good * 2, b"\x0a" + b"\xff" * 9 + b"\x01", b"\x0b" * 1000))
    if way == 2:
        return example({chance.choice((b"img", b"", b"Image", b"label", b"\xff")): texts(_png(chance))})
    if way == 3:
        return example(
            {
                b"image": chance.choice(
                    (texts(), texts(_png(chance), _png(chance)), b"", _field(2, b""), _field(3, b"\x0a\x01\x05"))
                )
            }
        )
    image = _png(chance)
    if way < 8:
        image = spoil(chance, image)
    elif way == 8:
        image = chance.choice((b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"BM", b"RIFF\0\0\0\0WEBPVP8 "))
    elif way > 9:
        image = picture(chance)[1]
    return example({b"image": texts(image), b"label": _field(3, _field(1, b"\x01"))})


def _png(chance: Random) -> bytes:
    """A PNG of a size and a mode that may be unusual."""
    mode = chance.choice(("RGB", "RGB", "L", "LA", "RGBA", "P", "1", "I;16"))
    size = (chance.choice((32, 32, 1, 3, 40)), chance.choice((32, 32, 1, 5)))
    channels = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4}.get(mode)
    if channels:
        pixels = np.frombuffer(chance.randbytes(size[0] * size[1] * channels), np.uint8)
        image = Image.fromarray(
            pixels.reshape(size[1], size[0], channels).squeeze(2)
            if channels == 1
            else pixels.reshape(size[1], size[0], channels),
            mode,
        )
    else:
        image = Image.new(mode, size)
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def spoil_records(chance: Random, path: Path) -> None:
    """Damages a TFRecord file."""
    way = chance.randrange(10)
    if way < 3:
        spoil_file(chance, path)
        return
    good = list(unframed(path.read_bytes()))
    frames = [framed(data) for data in good]
    at = chance.randrange(len(good))
    if way < 7:
        count = chance.choice((1, 1, len(good)))
        for i in range(count):
            frames[(at + i) % len(good)] = framed(bad_example(chance, good[at]))
    elif way == 7:
        frames[at] = framed(good[at], chance.choice((*LENGTHS, len(good[at]) + 1, len(good[at]) - 1)))
    elif way == 8:
        frames[at] = spoil(chance, frames[at])
    else:
        frames = chance.choice(([], frames[:1], frames[::-1], frames * 2, [framed(b"")]))
    path.write_bytes(b"".join(frames))


def _renew_manifest(path: Path) -> None:
    """Makes the manifest of pets vouch for a file as it is."""
    manifest = path.parent / "pets.json"
    content = json.loads(manifest.read_text())
    for shard in (shard for split in content["splits"].values() for shard in split["files"]):
        if shard["file"] == path.name and path.is_file():
            shard["bytes"] = path.stat().st_size
    manifest.write_text(json.dumps(content))


STREAM = ("scripts/benchmark_dataset.py", "--batch=2", "--samples=4", "--repeats=1", "--scale=4", "--data_dir=data")
CANDIDATES = (
    "scripts/lag_generate_candidates.py",
    f"--run={RUN}",
    "--data_dir=data",
    "--ncand=2",
    "--output=new.png",
)
EVALUATE = ("scripts/evaluate.py", f"--run={RUN}", "--data_dir=data", "--images=2", "--samples=1", "--output=new")
TRAIN = ("lag.py", *LAG_FLAGS[:-1], "--noexport", "--train_dir=new", "--batch=256")
CHECK = ("scripts/create_datasets.py", "--check=pets", "--data_dir=data")


def make(chance: Random, box: Path, kit: Path) -> Trial:
    """A program that reads a spoilt file, be it of training or test images."""
    bring(kit, box, "data", "runs")
    program, *args = chance.choice((*(STREAM,) * 4, *(CANDIDATES,) * 2, *(CHECK,) * 2, EVALUATE, TRAIN))
    own = program == CHECK[0] or chance.randrange(3) == 0
    if program != CHECK[0]:
        args.append(f"--dataset={'pets16' if own else 'cifar10'}")
    split = "test" if program in (CANDIDATES[0], EVALUATE[0]) or chance.randrange(6) == 0 else "train"
    path = box / "data" / f"{'pets' if own else 'cifar10'}-{split}.tfrecord"
    spoil_records(chance, path)
    if own and chance.randrange(2):
        _renew_manifest(path)
    if program == CANDIDATES[0]:
        args.append(chance.choice(("--samples=0", "--samples=0-3", "--samples=3")))
    if program == TRAIN[0] and chance.randrange(2):
        args.append("--skip_bad_records")
    return Trial(program, tuple(args), may_add=("new*", NOISE), stop_after=15.0 if program == TRAIN[0] else 0.0)
