"""What a standard set is made from: its original files, wherever they come from, and how they differ from the official.

A module for each set reads the files that people have by hand. Each gives the features that TensorFlow Datasets would
give, so that both ways write the same records.
"""

import hashlib
import io
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from libml.errors import UserError, printable
from libml.images import encode_png
from libml.system.files import user_errors

DAMAGED = "pictures are damaged and left out"
DEPTH = 4  # folders below the one that is named, that are looked through
FORMATS = ("JPEG", "PNG", "WEBP")
Features = dict[str, Any]


class Split(NamedTuple):
    """One of the original splits."""

    count: int  # images that it should have
    images: Callable[[], Iterator[Features | None]]  # image: encoded; label and the like. None: one was left out


class Differences:
    """How originals differ from the official ones, one line a kind."""

    def __init__(self):
        self._lines: list[str] = []
        self._counted: dict[str, list] = {}

    def add(self, line: str) -> None:
        """Notes one difference."""
        self._lines.append(line)

    def count(self, kind: str, what: str) -> None:
        """Notes one more of a kind, as 'pictures are damaged and left out'; the first is named."""
        self._counted.setdefault(kind, [0, printable(what)])[0] += 1

    def lines(self) -> list[str]:
        """All of them."""
        return self._lines + [f"{n} {kind}, first {what}" for kind, (n, what) in self._counted.items()]


class Originals(NamedTuple):
    """A standard set's original files."""

    source: str  # for the manifest
    splits: dict[str, Split]  # by the names that TensorFlow Datasets gives them
    image_size: dict[str, Any]  # the manifest's entry
    differences: Differences


def folder_or_file(path: str) -> Path:
    """What --from names.

    Raises:
        UserError: if it is not there.
    """
    found = Path(path).expanduser()
    if not found.exists():
        raise UserError(f"--from={path}: there is no such file or folder")
    return found


def find(root: Path, wanted: Callable[[str], bool], depth: int = DEPTH, asked: bool = True) -> list[Path]:
    """Files and folders of a folder, or below it, by their names, sorted; hidden ones aside.

    Args:
        root: the folder.
        wanted: whether a name is one.
        depth: folders below it that are looked through. Those that cannot be read are passed over, with a warning.
        asked: whether a person named the folder; one that nobody named is passed over without a word.

    Raises:
        UserError: if a folder that a person named cannot be read.
    """
    try:
        return _found(root, wanted, depth, asked)
    except UserError:
        if asked:
            raise
        return []


def _found(root: Path, wanted: Callable[[str], bool], depth: int, asked: bool) -> list[Path]:
    found = []
    with user_errors(root, "read"), os.scandir(root) as scan:
        entries = sorted(scan, key=lambda entry: entry.name)
    for entry in entries:
        if entry.name.startswith((".", "__MACOSX")):
            continue
        if wanted(entry.name):
            found.append(Path(entry.path))
        elif depth and os.path.isdir(entry.path):  # entry.is_dir() raises where links lead in a circle
            try:
                found += _found(Path(entry.path), wanted, depth - 1, asked)
            except UserError as e:
                if asked:
                    print(f"warning: {e}: passed over", file=sys.stderr)
    return found


def check_file(path: Path, size: int, hashes: dict[str, str], differences: Differences) -> None:
    """Notes if a file is not the official one.

    Args:
        path: the file.
        size: of the official one, in bytes; 0 for unknown.
        hashes: of the official one, in hexadecimal, by the name of the algorithm.
        differences: where to note it.
    """
    with user_errors(path, "read"):
        has = path.stat().st_size
        if size and has != size:
            differences.add(f"{path} has {has} bytes, officially {size}")
            return
        for algorithm, official in hashes.items():
            with path.open("rb") as file:
                if hashlib.file_digest(file, algorithm).hexdigest() != official:
                    differences.add(f"{path} has another {algorithm.upper()} than the official file")


def check_counts(counts: dict[str, int], official: dict[str, int], differences: Differences) -> None:
    """Notes splits that have other numbers of images than officially."""
    for split, wanted in official.items():
        if counts.get(split, 0) != wanted:
            differences.add(f"its split {split} has {counts.get(split, 0)} images, officially {wanted}")


def content(file: Path) -> bytes:
    """A picture file's content; b"" if it cannot be read, which `usable` says of as of other damage."""
    try:
        return file.read_bytes()
    except OSError:
        return b""


def usable(image: bytes, size: tuple[int, int] | None = None) -> str:
    """Why an encoded image cannot be stored, for Differences.count; empty if it can.

    Args:
        image: a file's content.
        size: width and height that it must have; then it is decoded, too. Otherwise its beginning is looked at.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(image), formats=FORMATS) as opened:
                if size and opened.size != size:
                    return f"pictures are not of {size[0]} x {size[1]} pixels and left out"
                if size:
                    opened.load()
    except Exception:  # Pillow's decoders meet damage with whatever their code runs into
        return DAMAGED
    return ""


def from_arrays(images: np.ndarray, labels: Sequence[int]) -> Split:
    """A split of uint8 images [N, H, W, 1 or 3], which become PNG files."""

    def encoded() -> Iterator[Features]:
        for image, label in zip(images, labels, strict=True):
            yield {"image": encode_png(image), "label": label}

    return Split(len(labels), encoded)


def decodable(image: bytes, differences: Differences) -> bytes:
    """An encoded image as training can decode it: WebP, which TensorFlow does not know, becomes PNG; b"" if damaged."""
    if image[:4] != b"RIFF" or image[8:12] != b"WEBP":
        return image
    try:
        with Image.open(io.BytesIO(image), formats=("WEBP",)) as opened:
            pixels = np.asarray(opened.convert("RGB"))
    except Exception:  # as in `usable`, which looks at the beginning alone
        differences.count(DAMAGED, f"a WebP of {len(image)} bytes")
        return b""
    differences.count("pictures are WebP and stored as PNG", f"of {len(image)} bytes")
    return encode_png(pixels)


def checked(
    pictures: Iterable[tuple[str, Features]], differences: Differences, size: tuple[int, int] | None = None
) -> Iterator[Features | None]:
    """Features of the pictures that can be stored, None in the place of the others.

    Args:
        pictures: (what to call it, its features).
        differences: where the others are noted.
        size: as for usable.
    """
    for name, features in pictures:
        if problem := usable(features["image"], size):
            differences.count(problem, name)
            yield None
        else:
            yield features
