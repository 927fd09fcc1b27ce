"""Ways to spoil bytes, files and JSON. All draw from a random.Random alone."""

import copy
import json
import os
import shutil
import struct
from pathlib import Path
from random import Random
from typing import Any

from tests.fuzzing import words


def spoil(chance: Random, data: bytes) -> bytes:
    """Bytes with some damage; of nothing, some bytes."""
    if not data:
        return chance.randbytes(chance.randrange(1, 100))
    return chance.choice((_cut, _cut, _flip, _flip, _blot, _drop, _insert, _number, _append, _noise, _nothing))(
        chance, data
    )


def _cut(chance: Random, data: bytes) -> bytes:
    return data[: chance.randrange(len(data))]


def _flip(chance: Random, data: bytes) -> bytes:
    spoilt = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 8, 64))):
        spoilt[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return bytes(spoilt)


def _span(chance: Random, data: bytes) -> tuple[int, int]:
    start = chance.randrange(len(data))
    return start, min(len(data), start + chance.choice((1, 4, 16, 256, 4096)))


def _blot(chance: Random, data: bytes) -> bytes:
    start, stop = _span(chance, data)
    ink = chance.choice((bytes(1), b"\xff", chance.randbytes(1), None))
    return data[:start] + (ink * (stop - start) if ink else chance.randbytes(stop - start)) + data[stop:]


def _drop(chance: Random, data: bytes) -> bytes:
    start, stop = _span(chance, data)
    return data[:start] + data[stop:]


def _insert(chance: Random, data: bytes) -> bytes:
    start, stop = _span(chance, data)
    return data[:start] + data[start:stop] + data[start:]


def _number(chance: Random, data: bytes) -> bytes:
    """Where a header may have a length, an extreme one."""
    form = chance.choice(("<I", ">I", "<H", ">H", "<Q", ">Q"))
    bits = 8 * struct.calcsize(form)
    value = chance.choice((0, 1, (1 << bits) - 1, 1 << (bits - 1), (1 << (bits - 1)) - 1, chance.randrange(1 << bits)))
    start = chance.randrange(min(len(data), chance.choice((16, 64, 1 << 30))))
    return (data[:start] + struct.pack(form, value) + data[start + bits // 8 :])[: max(len(data), start + bits // 8)]


def _append(chance: Random, data: bytes) -> bytes:
    return data + chance.choice((bytes(1), b"\n", chance.randbytes(20), data))


def _noise(chance: Random, data: bytes) -> bytes:
    return chance.randbytes(len(data))


def _nothing(chance: Random, data: bytes) -> bytes:
    return b""


def spoil_file(chance: Random, path: Path) -> None:
    """Damages a file, or puts something else or nothing in its place."""
    way = chance.randrange(20)
    data = path.read_bytes()
    if way < 16:
        path.write_bytes(spoil(chance, data))
        return
    path.unlink()
    if way == 17:
        path.mkdir()
    elif way == 18:
        path.symlink_to(chance.choice((path.name, "nowhere")))
    elif way == 19:
        path.mkdir()
        (path / "inside").write_bytes(data)


def spoil_folder(chance: Random, folder: Path) -> None:
    """Damages one or two of the files below a folder, or moves, empties or removes it."""
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    way = chance.randrange(20)
    if way < 17:
        for path in chance.sample(files, min(len(files), chance.choice((1, 1, 1, 2)))):
            spoil_file(chance, path)
    else:
        shutil.rmtree(folder)
        if way == 18:
            folder.mkdir()
        elif way == 19:
            folder.write_bytes(b"")


def spoil_json(chance: Random, text: str) -> bytes:
    """JSON text with other values, keys or types in it, or no longer JSON."""
    way = chance.randrange(12)
    if way == 0:
        return spoil(chance, text.encode())
    if way == 1:
        return chance.choice(
            (
                *(
                    b"[" * 100_000,
                    b'{"a":' * 100_000,
                    b"null",
                    b"[]",
                    b"{}",
                    b'"x"',
                    b"1",
                    b"NaN",
                    b"true",
                    b"\xff\xfe",
                ),
                *(text.encode("utf-16"), b"\xef\xbb\xbf" + text.encode(), b"1" * 5000, b'{"a": ' + b"9" * 5000 + b"}"),
            )
        )
    value = json.loads(text)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        value = _changed(chance, value)
    return json.dumps(value).encode()


def _changed(chance: Random, value: Any) -> Any:
    """The value with one node inside of it changed."""
    value = copy.deepcopy(value)
    places = [
        (value, key)
        for value in _containers(value)
        for key in (value if isinstance(value, dict) else range(len(value)))
    ]
    if not places:
        return words.json_value(chance)
    container, key = chance.choice(places)
    way = chance.randrange(10)
    if way < 7:
        container[key] = words.json_value(chance, container[key])
    elif way < 9:
        del container[key]
    else:
        new = chance.choice(("", "x", "__class__", "a/b", "\ud800", *words.TEXTS[:5]))
        if isinstance(container, dict):
            container[new] = container.pop(key)
        else:
            container.append(new)
    return value


def _containers(value: Any) -> list:
    if not isinstance(value, (dict, list)):
        return []
    inner = value.values() if isinstance(value, dict) else value
    return [value, *(c for v in inner for c in _containers(v))]


def relink(path: Path, target: str) -> None:
    """A symbolic link in the place of a file."""
    os.unlink(path)
    path.symlink_to(target)
