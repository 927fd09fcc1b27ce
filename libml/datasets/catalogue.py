"""Datasets by name, and finding their files.

A dataset is TFRecord files in a data folder, one tf.train.Example an image (features: image, encoded PNG or JPEG;
label).
"""

import dataclasses
import difflib
import functools
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from libml.datasets import manifest, toyfaces_records
from libml.datasets.making.lsun import CATEGORIES as LSUN
from libml.errors import UserError

SIZES = (32, 64, 128, 256)
OWN_SIZES = range(8, 2049)  # sides that a user's own dataset may be asked for


@dataclasses.dataclass(frozen=True)
class Dataset:
    """What a dataset's name stands for."""

    name: str
    size: int  # side of the HR images
    train: tuple[str, ...]  # file patterns below the data folder
    test: tuple[str, ...]
    how_to_make: str
    colors: int = 3
    flip: bool = True  # random left-right flips in training
    crop: tuple[int, int] = (0, 0)  # rows and columns cut off each side before resizing
    image_key: str = "image"
    base: str = ""  # name of the manifest
    make: Callable[[Path], None] | None = None  # for what can be made on the spot
    members: tuple["Dataset", ...] = ()  # for a mixture, whose label is the member's index


def _files(name: str, split: str) -> tuple[str, str]:
    return f"{name}-{split}.tfrecord", f"{name}-{split}-?????-of-?????.tfrecord"


def _dataset(name: str, base: str, size: int, train: str = "train", test: str = "test", **options) -> Dataset:
    train_files = tuple(f for split in train.split() for f in _files(base, split))
    options.setdefault("how_to_make", f"python scripts/create_datasets.py {base}")
    return Dataset(name, size, train_files, _files(base, test), base=base, **options)


def _registry() -> dict[str, Callable[[], Dataset]]:
    """Name -> thunk."""
    entries = {
        "cifar10": functools.partial(_dataset, "cifar10", "cifar10", 32),
        "svhn": functools.partial(_dataset, "svhn", "svhn", 32, train="train extra", flip=False),
        "mnist": functools.partial(_dataset, "mnist", "mnist", 28, colors=1, flip=False),
    }
    for size in SIZES:
        for category in LSUN:
            base = f"lsun_{category}"
            entries[f"{base}{size}"] = functools.partial(_dataset, f"{base}{size}", base, size, test="val")
        entries[f"celeba{size}"] = functools.partial(_dataset, f"celeba{size}", "celeba", size, crop=(30, 10))
        entries[f"imagenet{size}"] = functools.partial(_imagenet, size)
        entries[f"toyfaces{size}"] = functools.partial(_toyfaces, size)
        entries[f"all{size}"] = functools.partial(_mixture, size)
    return entries


def _imagenet(size: int) -> Dataset:
    return Dataset(
        f"imagenet{size}",
        size,
        ("imagenet-2012-tfrecord/train-*-of-01024",),
        ("imagenet-2012-tfrecord/validation-*-of-00128",),
        "python scripts/create_datasets.py imagenet",
        image_key="image/encoded",
        base="imagenet",
    )


def _toyfaces(size: int) -> Dataset:
    name = f"toyfaces{size}"
    make = functools.partial(toyfaces_records.make, size=size)
    return _dataset(name, name, size, make=make, how_to_make="it is drawn on first use")


def _mixture(size: int) -> Dataset:
    """Every dataset of that size but imagenet and the embedded one."""
    names = [f"celeba{size}", *(f"lsun_{c}{size}" for c in LSUN), *(["cifar10", "svhn"] if size == 32 else [])]
    members = tuple(lookup(name) for name in names)
    return Dataset(f"all{size}", size, (), (), "python scripts/create_datasets.py all", members=members)


def names() -> list[str]:
    """All dataset names."""
    return sorted(_registry())


def lookup(name: str, data_dir: str | Path | None = None) -> Dataset:
    """The dataset of that name; `bedroom128` is accepted for `lsun_bedroom128`.

    Args:
        name: of a built-in dataset, or of a user's own with the side of its images as in pets128.
        data_dir: where users' own datasets are; None knows the built-in ones alone.

    Raises:
        UserError: for an unknown name, with near ones, or a size that the user's images cannot have.
    """
    registry = _registry()
    for candidate in (name, f"lsun_{name}"):
        if candidate in registry:
            return registry[candidate]()
    own = {base: f"{base}128" for base in manifest.own_names(Path(data_dir))} if data_dir else {}
    base, size = re.fullmatch(r"(.*?)([0-9]{0,9})", name, re.DOTALL).groups()
    if base in own:
        return _own(name, base, size, Path(data_dir))
    near = difflib.get_close_matches(name, [*registry, *own.values()], n=3, cutoff=0.5)
    hint = f"; did you mean {', '.join(near)}?" if near else "; docs/datasets.md lists the names"
    if re.fullmatch(r"(celeba|toyfaces|imagenet|all|lsun_\w+?)\d*", name):
        hint += f" (sizes: {', '.join(map(str, SIZES))})"
    raise UserError(f"unknown dataset {name!r}{hint}")


def _own(name: str, base: str, size: str, data_dir: Path) -> Dataset:
    """A dataset made from a folder: any side up to that of its largest image."""
    content = manifest.load(data_dir, base)
    largest = max(content["image_size"]["max"])
    if not size:
        raise UserError(f"--dataset={name}: say which size its images shall have, as in {name}{min(128, largest)}")
    if int(size) not in OWN_SIZES:
        raise UserError(f"--dataset={name}: sizes go from {OWN_SIZES[0]} to {OWN_SIZES[-1]}")
    if int(size) > largest:
        raise UserError(
            f"--dataset={name}: the images of {base} are stored with at most {largest} pixels a side; "
            f"make it again with --size={size} if the pictures have them"
        )
    how = f"python scripts/create_datasets.py --input=PICTURES --name={base}"
    return _dataset(name, base, int(size), colors=content["colors"], how_to_make=how)


def find_files(dataset: Dataset, data_dir: Path, split: str) -> list[Path]:
    """The files of a split ('train' or 'test'), sorted; makes the embedded dataset when it is missing.

    Raises:
        UserError: if there are none, saying what was looked for and how to make it, or if shards are missing.
    """
    files = present_files(dataset, data_dir, split)
    if not files and dataset.make:
        dataset.make(data_dir)
        files = present_files(dataset, data_dir, split)
    if not files:
        looked_for = " or ".join(str(data_dir / p) for p in getattr(dataset, split))
        raise UserError(
            f"no {split} files of {dataset.name}: looked for {looked_for}; "
            f"set --data_dir or $ML_DATA to the folder that has them, or make them with: {dataset.how_to_make}"
        )
    return files


def present_files(dataset: Dataset, data_dir: Path, split: str) -> list[Path]:
    """The files of a split, sorted; none where there are none.

    Raises:
        UserError: if some shards are missing, or a split is there both whole and in shards.
    """
    files = sorted({f for pattern in getattr(dataset, split) for f in data_dir.glob(pattern)})
    shards: dict[tuple[str, int], list[Path]] = {}
    for file in files:
        if match := re.fullmatch(r"(.+)-\d{5}-of-(\d{5})(?:\.tfrecord)?", file.name):
            shards.setdefault((match[1], int(match[2])), []).append(file)
    stems = [stem for stem, _ in shards]
    for (stem, total), found in shards.items():
        if len(found) != total:
            raise UserError(f"{found[0].parent} has {len(found)} of the {total} files {stem}-*-of-{total:05d}: {_MEND}")
        if stems.count(stem) > 1 or found[0].with_name(f"{stem}.tfrecord") in files:
            raise UserError(f"{found[0].parent} has {stem} twice, in different numbers of files: {_MEND}")
    return files


_MEND = "remove what is of an older making, or make the dataset again"


def known_counts(datasets: Sequence[Dataset], data_dir: Path) -> dict[Path, tuple[int, int]]:
    """File -> (its size, its records), as far as the manifests of some datasets say."""
    known = {}
    for base in {dataset.base for dataset in datasets if dataset.base}:
        known |= manifest.record_counts(data_dir, base)
    return known


def check_sizes(dataset: Dataset, scale: int, downscaler: str) -> None:
    """Refuses a scale that the dataset's images are too small for.

    Raises:
        UserError: saying what would fit.
    """
    size = dataset.size
    if size % scale:
        raise UserError(f"--scale={scale} does not divide the {size} pixels of {dataset.name}'s images")
    if downscaler == "bicubic" and size <= 2 * scale:
        raise UserError(
            f"--scale={scale} is too large for {dataset.name}: bicubic downscaling needs images of more than "
            f"{2 * scale} pixels, these have {size}"
        )
