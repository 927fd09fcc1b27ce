"""ImageNet's folders by class, as the archives are when they are unpacked."""

import functools
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

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

COUNTS = {"train": 1_281_167, "validation": 50_000}
FOLDERS = {"train": ("train",), "validation": ("val", "validation")}
SUFFIXES = (".jpeg", ".jpg", ".png")
_File = tuple[Path, int]  # with its label, from 0


def read(path: str) -> Originals:
    """ImageNet's originals in a folder that holds train and val.

    Raises:
        UserError: if one is missing, or nothing tells the classes.
    """
    root, differences = folder_or_file(path), Differences()
    files = {}
    for split, names in FOLDERS.items():
        folders = [f for f in find(root, lambda n, names=names: n in names) if f.is_dir()] if root.is_dir() else []
        if not folders:
            raise UserError(f"--from={path} has no folder {names[0]}: one with train and val, of a folder a class each")
        files[split] = _files(folders[0])
    classes = sorted({file.parent.name for file in files["train"]})
    official, validation_labels = _official()
    if set(classes) <= set(official):
        classes = official
    else:
        differences.add(
            f"the classes are not called as the official ones: labels are by the names' order ({classes[0]})"
        )
    if len({file.parent.name for file in files["train"]}) != len(official):
        names = len({file.parent.name for file in files["train"]})
        differences.add(f"its split train has {names} classes, officially {len(official)}")
    labels = {name: i for i, name in enumerate(classes)}
    flat = {f"ILSVRC2012_val_{i + 1:08d}": labels.get(name, -1) for i, name in enumerate(validation_labels)}
    splits = {split: [(f, labels.get(f.parent.name, flat.get(f.stem, -1))) for f in of] for split, of in files.items()}
    for split, labelled in splits.items():
        if unknown := [file for file, label in labelled if label < 0]:
            raise UserError(
                f"--from={path}: nothing tells the class of {unknown[0]} ({len(unknown)} pictures of {split}): "
                "sort them into folders called as those of train"
            )
    check_counts({split: len(of) for split, of in splits.items()}, COUNTS, differences)
    made = {split: Split(len(of), functools.partial(_images, of, differences)) for split, of in splits.items()}
    return Originals(f"the folder {root.name}", made, {"any": True}, differences)


def _official() -> tuple[list[str], list[str]]:
    """The 1000 classes in order, and the class of each validation picture in the order of their names."""
    import tensorflow_datasets as tfds

    place = tfds.core.tfds_path("datasets/imagenet2012")
    return tuple((place / name).read_text().split() for name in ("labels.txt", "validation_labels.txt"))


def _files(folder: Path) -> list[Path]:
    """Pictures in the order of their names' hashes: a class's lie apart, as training shuffles only so far."""
    with user_errors(folder, "read"):
        places = [folder, *sorted(entry for entry in folder.iterdir() if entry.is_dir())]
        files = [f for place in places for f in place.iterdir() if f.suffix.lower() in SUFFIXES and f.name[0] != "."]
    return sorted(
        files,
        key=lambda file: hashlib.blake2b(f"{file.parent.name}/{file.name}".encode("utf-8", "surrogateescape")).digest(),
    )


def _images(files: Sequence[_File], differences: Differences) -> Iterator[Features | None]:
    def found() -> Iterator[tuple[str, Features]]:
        for file, label in files:
            yield f"{file.parent.name}/{file.name}", {"image": content(file), "label": label}

    return checked(found(), differences)
