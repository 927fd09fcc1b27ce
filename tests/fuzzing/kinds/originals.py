"""Original files of the standard sets, and Parquet files, spoilt, to make datasets of."""

import gzip
import io
import json
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random

from PIL import Image

from tests.fuzzing.damage import spoil, spoil_file
from tests.fuzzing.kinds.pictures import picture
from tests.fuzzing.trial import Trial

COUNT = 3  # images of each file


def _mnist(chance: Random, place: Path) -> None:
    for split in ("train", "t10k"):
        for name, sides in (("images-idx3", (COUNT, 28, 28)), ("labels-idx1", (COUNT,))):
            if chance.randrange(20) == 0:
                sides = tuple(chance.choice((0, side, 1 << 31, (1 << 32) - 1)) for side in sides)
            values = bytes(COUNT * (784 if len(sides) == 3 else 1))
            head = bytes([0, 0, chance.choice((8,) * 30 + (9, 13)), chance.choice((len(sides),) * 30 + (0, 255))])
            content = head + struct.pack(f">{len(sides)}I", *sides) + values
            zipped = chance.randrange(2)
            (place / f"{split}-{name}-ubyte{'.gz' * zipped}").write_bytes(
                gzip.compress(content, mtime=0) if zipped else content
            )


def _cifar10(chance: Random, place: Path) -> None:
    names = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]
    binary = chance.randrange(2)
    files = {}
    for name in names:
        label = chance.choice((1,) * 30 + (255,))
        rows = (bytes([label]) + chance.randbytes(3072)) * COUNT
        data: object = {b"data": chance.choice((rows,) * 30 + ([1], None, b"")), b"labels": [label] * COUNT}
        files[name + ".bin" * binary] = rows if binary else pickle.dumps(data, chance.choice((0, 2, 4)))
    if chance.randrange(2):
        tar = io.BytesIO()
        with tarfile.open(fileobj=tar, mode="w") as archive:
            for name, content in files.items():
                info = tarfile.TarInfo(chance.choice((f"cifar/{name}", f"../../{name}", f"/{name}")))
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        path = place / f"cifar-10-{'binary' if binary else 'python'}.tar.gz"
        path.write_bytes(gzip.compress(tar.getvalue(), mtime=0))
    else:
        for name, content in files.items():
            (place / name).write_bytes(content)


def _svhn(chance: Random, place: Path) -> None:
    """MATLAB 5 files of X [32, 32, 3, N] and y [N, 1], uint8."""

    def matrix(name: bytes, sides: tuple[int, ...], values: bytes) -> bytes:
        parts = ((6, struct.pack("<II", 9, 0)), (5, struct.pack(f"<{len(sides)}i", *sides)), (1, name), (2, values))
        body = b"".join(struct.pack("<II", kind, len(v)) + v + bytes(-len(v) % 8) for kind, v in parts)
        return struct.pack("<II", 14, len(body)) + body

    for split in ("train", "test", "extra"):
        count = chance.choice((COUNT,) * 12 + (0, 1 << 30))
        content = b"MATLAB 5.0".ljust(124) + struct.pack("<HH", 0x0100, 0x4D49)
        content += matrix(b"X", (32, 32, 3, count), bytes(3072 * COUNT)) + matrix(b"y", (COUNT, 1), bytes(COUNT))
        (place / f"{split}_32x32.mat").write_bytes(content)


def _celeba(chance: Random, place: Path) -> None:
    names = [f"{chance.choice((i,) * 9 + (162771, 999999, 0)):06d}.jpg" for i in (1, 2, 162771, 182638)]
    files = {}
    for name in names:
        file = io.BytesIO()
        Image.new("RGB", chance.choice(((178, 218), (178, 218), (8, 8))), chance.randrange(1 << 24)).save(file, "JPEG")
        files[name] = chance.choice((file.getvalue(),) * 4 + (spoil(chance, file.getvalue()), picture(chance)[1]))
    lines = "".join(f"{name} {chance.choice('0012x')}\n" for name in names)
    if chance.randrange(2):
        (place / "list_eval_partition.txt").write_bytes(chance.choice((lines.encode(), spoil(chance, lines.encode()))))
    if chance.randrange(3) == 0:
        (place / "identity_CelebA.txt").write_text(f"{names[0]} {chance.choice(('3', '²', '-1', '9' * 5000, '٣'))}\n")
    if chance.randrange(2):
        with zipfile.ZipFile(place / "img_align_celeba.zip", "w") as archive:
            for name, content in files.items():
                archive.writestr(zipfile.ZipInfo(chance.choice((f"img_align_celeba/{name}", f"../{name}"))), content)
    else:
        (place / "img_align_celeba").mkdir()
        for name, content in files.items():
            (place / "img_align_celeba" / name).write_bytes(content)


def _parquet(chance: Random, place: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    images = [picture(chance)[1] for _ in range(COUNT)]
    names = [chance.choice(("a.png", "../b.png", "/c.jpg", "d\0.png", "", None, "e" * 300)) for _ in images]
    structs = [{"bytes": chance.choice((i, i, None, b"")), "path": n} for i, n in zip(images, names, strict=True)]
    labels = [chance.choice((0, 1, -1, 1 << 40, None)) for _ in images]
    columns = {chance.choice(("image",) * 9 + ("img", "x")): structs, "label": labels}
    if chance.randrange(4) == 0:
        columns["label"] = [chance.choice(("a", "../x", "", "é" * 200, "\0", "CON")) for _ in images]
    if chance.randrange(6) == 0:
        columns["other"] = images
    features = {"info": {"features": {"label": {"names": chance.choice((["a", "b"], ["../x", 3], {}, None, "ab", 3))}}}}
    table = pyarrow.table(columns).replace_schema_metadata({b"huggingface": json.dumps(features).encode()})
    for split in ("train", "test"):
        parquet.write_table(table, place / f"{split}-00000-of-00001.parquet")


def _lsun(chance: Random, place: Path) -> None:
    import lmdb

    for ending in ("train", "val"):
        path = str(place / f"tower_{ending}_lmdb")
        with lmdb.open(path, map_size=1 << 26, lock=False) as archive, archive.begin(write=True) as transaction:
            for i in range(COUNT):
                transaction.put(chance.choice((b"%d",) * 30 + (b"\xff%d",)) % i, picture(chance)[1])


MAKERS: dict[str, Callable[[Random, Path], None]] = {
    "mnist": _mnist,
    "cifar10": _cifar10,
    "svhn": _svhn,
    "celeba": _celeba,
    "lsun_tower": _lsun,
    "parquet": _parquet,
}


def make(chance: Random, box: Path, kit: Path) -> Trial:
    """Files of one set, some of them spoilt."""
    name = chance.choice(tuple(MAKERS))
    place = box / "originals"
    place.mkdir()
    MAKERS[name](chance, place)
    files = sorted(path for path in place.rglob("*") if path.is_file() and path.name != "lock.mdb")
    for path in chance.sample(files, min(len(files), chance.choice((0, 1, 1, 1, 2)))):
        spoil_file(chance, path)
    source = chance.choice(("originals", "originals", "originals", str(chance.choice(files).relative_to(box))))
    if name == "parquet":
        args = (f"--parquet={source}", "--name=cats", "--workers=1", "--test_fraction=0.9")
    else:
        args = (name, f"--from={source}")
    return Trial("scripts/create_datasets.py", (*args, "--data_dir=data"), may_add=("data", "data/*"))
