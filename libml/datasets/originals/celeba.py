"""CelebA's aligned pictures as people have them: a folder, the authors' archive, or Parquet files of a hub."""

import functools
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from libml.datasets.originals import celeba_parquet, parquet
from libml.datasets.originals.celeba_lists import (
    ARCHIVE,
    COUNTS,
    PARTITION,
    SIZE,
    Facts,
    check_official,
    facts,
    find_list,
    official_split,
    partition,
    stem,
)
from libml.datasets.originals.sources import (
    Differences,
    Features,
    Originals,
    Split,
    check_counts,
    checked,
    content,
    find,
    folder_or_file,
)
from libml.errors import UserError
from libml.system.files import user_errors

FOLDERS = ("img_align_celeba", "img_align_celeba_png")


class _Pictures(NamedTuple):
    """The picture files: name without suffix -> what `read` takes to read it."""

    source: str
    names: dict[str, str]
    read: Callable[[str], bytes]


def read(path: str) -> Originals:
    """CelebA's originals at a path.

    Raises:
        UserError: if there are none, or nothing tells their split.
    """
    root, differences = folder_or_file(path), Differences()
    pictures = _pictures(root, differences)
    if pictures is None:
        if files := parquet.find_files(root):
            return celeba_parquet.read(path, files, differences)
        raise UserError(
            f"--from={path} has no pictures of CelebA: name the folder img_align_celeba, its archive {ARCHIVE}, a "
            f"folder that holds one of them beside {PARTITION}, or a folder of Parquet files"
        )
    splits = _splits(path, find_list(root, PARTITION), pictures.names, differences)
    check_counts({split: len(names) for split, names in splits.items()}, COUNTS, differences)
    known = facts(root, differences)
    made = {
        split: Split(len(names), functools.partial(_images, names, pictures, known, differences))
        for split, names in splits.items()
    }
    return Originals(pictures.source, made, {"min": list(SIZE[::-1]), "max": list(SIZE[::-1])}, differences)


def _pictures(root: Path, differences: Differences) -> _Pictures | None:
    """The picture files at a path, if there are any.

    Raises:
        UserError: if an archive cannot be read.
    """
    if root.is_file():
        return None if root.suffix == ".parquet" else _archive(root, differences)
    places = find(root, lambda name: name in (*FOLDERS, ARCHIVE))
    folders = [place for place in places if place.is_dir()]
    folders += [folder / name for folder in folders for name in FOLDERS if (folder / name).is_dir()]  # Kaggle's
    for folder in (root, *folders):
        with user_errors(folder, "read"):
            names = {stem(file.name): file.name for file in folder.iterdir() if stem(file.name)}
        if names:
            return _Pictures(f"the folder {folder.name}", names, lambda name, folder=folder: content(folder / name))
    archive = next((place for place in places if place.is_file()), None)
    return _archive(archive, differences) if archive else None


def _archive(path: Path, differences: Differences) -> _Pictures:
    """The pictures of a zip.

    Raises:
        UserError: if it is none, or holds none.
    """
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError) as e:
        raise UserError(f"--from: {path} is cut short or no zip archive ({e}): fetch it again") from e
    names = {stem(name): name for name in archive.namelist() if stem(name)}
    if not names:
        raise UserError(f"--from: the archive {path} holds no pictures: {ARCHIVE} is wanted")
    check_official(path, ARCHIVE, differences)
    return _Pictures(f"the archive {path.name}", names, functools.partial(_member, archive))


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    try:
        return archive.read(name)
    except Exception:  # damage shows as errors of many kinds
        return b""  # no picture, which is noted


def _splits(path: str, list_file: Path | None, names: dict[str, str], differences: Differences) -> dict[str, list[str]]:
    """Split -> the pictures that are there, by the authors' list or, without it, by their official numbers.

    Raises:
        UserError: if nothing tells their split.
    """
    if list_file is None:
        listed = {name: split for name in names if (split := official_split(name))}
        if not listed:
            raise UserError(
                f"--from={path}: the pictures have other names than the official 000001.jpg: {PARTITION} is needed "
                "beside them"
            )
        differences.add(f"{PARTITION} is missing: the pictures' official numbers tell their split")
    else:
        listed = partition(list_file, differences)
        if not listed:
            raise UserError(f"--from={path}: {list_file} has no lines as '000001.jpg 0': fetch it again")
    if missing := sorted(listed.keys() - names.keys()):
        differences.add(f"{len(missing)} of the listed pictures are missing, first {missing[0]}.jpg")
    if extra := sorted(names.keys() - listed.keys()):
        differences.add(f"{len(extra)} pictures are not listed and left out, first {names[extra[0]]}")
    found = {split: [] for split in COUNTS}
    for name in sorted(listed.keys() & names.keys()):
        found[listed[name]].append(name)
    return found


def _images(names: list[str], pictures: _Pictures, known: Facts, differences: Differences) -> Iterator[Features | None]:
    """The images of a split in the order of their names."""
    found = ((pictures.names[name], {"image": pictures.read(pictures.names[name]), **known.of(name)}) for name in names)
    return checked(found, differences, SIZE)
