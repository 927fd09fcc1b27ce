"""Datasets by name. A standard set is one row of STANDARD.

A dataset is TFRecord files in a data folder, one tf.train.Example an image (features: image, encoded PNG or JPEG;
label).
"""

import dataclasses
import difflib
import functools
import re
from collections.abc import Callable
from pathlib import Path

from libml.datasets import manifest, toyfaces_records
from libml.errors import UserError, did_you_mean
from libml.layers.downscalers import LEAST_LORES
from libml.system.store_path import StorePath, to_path

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
    smaller: tuple[int, int] = (0, 0)  # images stored with fewer pixels a side, of how many; as far as is known
    members: tuple["Dataset", ...] = ()  # for a mixture, whose label is the member's index


@dataclasses.dataclass(frozen=True)
class Standard:
    """A standard set: how it is made once, and how it is read at each of its sizes."""

    name: str  # of its files
    sizes: tuple[int, ...]  # of its images when they are read: one, or several, which its datasets' names end with
    tfds: str  # its name in TensorFlow Datasets (TFDS)
    originals: tuple[str, ...]  # the module of libml/datasets/originals that reads files at hand; more for its read()
    splits: dict[str, tuple[str, ...]] = dataclasses.field(  # split -> TFDS's splits
        default_factory=lambda: {"train": ("train",), "test": ("test",)}
    )
    test: str = "test"  # the split of the test images; training reads the others
    record: str = "labelled"  # what a record holds: one of libml/datasets/making/standard.py's RECORDS
    image_key: str = "image"  # of a record
    label: str = "class"  # what a record's label is
    colors: int = 3
    flip: bool = True
    crop: tuple[int, int] = (0, 0)
    shards: dict[str, int] = dataclasses.field(default_factory=dict)  # split -> its files, where the number is given
    mixed: bool = True  # whether it is a member of the mixture of its size
    needs: tuple[str, ...] = ()  # packages that TFDS needs for this one
    by_hand: str = ""  # what a user must put into {place}, for TFDS cannot fetch it

    def patterns(self, split: str) -> tuple[str, ...]:
        """Of the names of a split's files."""
        if split in self.shards:
            return (f"{self.name}-2012-tfrecord/{split}-*-of-{self.shards[split]:05d}",)
        return _patterns(self.name, split)

    def sized(self) -> dict[str, int]:
        """Names of its datasets, and their sizes."""
        return {f"{self.name}{size}" if len(self.sizes) > 1 else self.name: size for size in self.sizes}

    def dataset(self, name: str, size: int) -> Dataset:
        """As it is read at one of its sizes."""
        train = tuple(pattern for split in self.splits if split != self.test for pattern in self.patterns(split))
        how = f"python scripts/create_datasets.py {self.name}"
        read = {"colors": self.colors, "flip": self.flip, "crop": self.crop, "image_key": self.image_key}
        return Dataset(name, size, train, self.patterns(self.test), how, base=self.name, **read)


_LSUN = (
    *("bedroom", "bridge", "church_outdoor", "classroom", "conference_room"),
    *("dining_room", "kitchen", "living_room", "restaurant", "tower"),
)
_ROWS = (
    Standard("cifar10", (32,), tfds="cifar10", originals=("cifar10",)),
    Standard("mnist", (28,), tfds="mnist", originals=("mnist",), colors=1, flip=False, mixed=False),
    Standard(
        "svhn",
        (32,),
        tfds="svhn_cropped",
        originals=("svhn",),
        splits={"train": ("train",), "test": ("test",), "extra": ("extra",)},
        flip=False,
        needs=("scipy",),
    ),
    Standard(
        "celeba",
        SIZES,
        tfds="celeb_a",
        originals=("celeba",),
        splits={"train": ("train", "validation"), "test": ("test",)},
        record="celeba",
        label="identity - 1, or 0 where this version of TFDS knows no identities",
        crop=(30, 10),
    ),
    *(
        Standard(
            f"lsun_{category}",
            SIZES,
            tfds=f"lsun/{category}",
            originals=("lsun_archives", category),
            splits={"train": ("train",), "val": ("validation",)},
            test="val",
            label="none: 0",
            needs=("lmdb",),
        )
        for category in _LSUN
    ),
    Standard(
        "imagenet",
        SIZES,
        tfds="imagenet2012",
        originals=("imagenet",),
        splits={"train": ("train",), "validation": ("validation",)},
        test="validation",
        record="imagenet",
        image_key="image/encoded",
        label="class, from 1 to 1000",
        shards={"train": 1024, "validation": 128},
        mixed=False,
        by_hand="put ILSVRC2012_img_train.tar and ILSVRC2012_img_val.tar into {place} (their licence needs an account "
        "at https://image-net.org/download-images)",
    ),
)
STANDARD = {row.name: row for row in _ROWS}


def file_patterns(name: str, split: str) -> tuple[str, ...]:
    """Of the names of the files of a set, standard or a user's own, below the data folder."""
    return STANDARD[name].patterns(split) if name in STANDARD else _patterns(name, split)


def _patterns(name: str, split: str) -> tuple[str, str]:
    return f"{name}-{split}.tfrecord", f"{name}-{split}-?????-of-?????.tfrecord"


def _registry() -> dict[str, Callable[[], Dataset]]:
    """Name -> thunk."""
    entries = {
        name: functools.partial(row.dataset, name, size)
        for row in STANDARD.values()
        for name, size in row.sized().items()
    }
    for size in SIZES:
        entries[f"toyfaces{size}"] = functools.partial(_toyfaces, size)
        entries[f"all{size}"] = functools.partial(_mixture, size)
    return entries


def _toyfaces(size: int) -> Dataset:
    name = f"toyfaces{size}"
    make = functools.partial(toyfaces_records.make, size=size)
    files = (_patterns(name, "train"), _patterns(name, "test"))
    return Dataset(name, size, *files, f"python scripts/create_datasets.py {name}", base=name, make=make)


def _mixture(size: int) -> Dataset:
    """Every mixed set that is read at that size: those of several sizes, then those of one."""
    rows = sorted((row for row in STANDARD.values() if row.mixed), key=lambda row: len(row.sizes) == 1)
    members = tuple(row.dataset(name, size) for row in rows for name, side in row.sized().items() if side == size)
    return Dataset(f"all{size}", size, (), (), "python scripts/create_datasets.py all", members=members)


def names() -> list[str]:
    """All dataset names."""
    return sorted(_registry())


def drawn() -> list[str]:
    """Names of the embedded datasets, which are drawn on the spot."""
    return [f"toyfaces{size}" for size in SIZES]


def lookup(name: str, data_dir: str | Path | StorePath | None = None) -> Dataset:
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
    base, size = re.fullmatch(r"(.*?)([0-9]{0,9})", name, re.DOTALL).groups()
    if data_dir and manifest.is_own(data_dir, base):
        return _own(name, base, size, to_path(data_dir))
    own = manifest.names(data_dir, [manifest.FOLDER]) if data_dir else []
    known = [*registry, *(f"{other}{size or 128}" for other in own)]
    near = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.5)
    near = [other for other in near if size and other.endswith(size)] or near  # of the size that was asked for
    hint = did_you_mean(near) or "; docs/datasets.md lists the names"
    families = {base.split("_")[0] for base, row in STANDARD.items() if len(row.sizes) > 1} | {"toyfaces", "all"}
    if re.fullmatch(rf"({'|'.join(families)})(_\w+?)?\d*", name):
        hint += f" (sizes: {', '.join(map(str, SIZES))})"
    if data_dir:
        there = f"has {', '.join(sorted(own)[:5])}" if own else "has none of your own"
        hint += f"; {data_dir} {there}, --data_dir names another folder"
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
    files = (_patterns(base, "train"), _patterns(base, "test"))
    options = {"colors": content["colors"], "smaller": manifest.smaller(content, int(size))}
    return Dataset(name, int(size), *files, how, base=base, **options)


def check_sizes(dataset: Dataset, scale: int, downscaler: str) -> None:
    """Refuses a scale that the dataset's images are too small for.

    Raises:
        UserError: saying what would fit.
    """
    size = dataset.size
    if size % scale:
        raise UserError(f"--scale={scale} does not divide the {size} pixels of {dataset.name}'s images")
    least = LEAST_LORES[downscaler]
    if size < least * scale:
        raise UserError(
            f"--scale={scale} is too large for {dataset.name}: {downscaler} downscaling needs images of at least "
            f"{least * scale} pixels, these have {size}"
        )


def lookup_fitting(name: str, data_dir: str | Path | StorePath | None, scale: int, downscaler: str) -> Dataset:
    """The dataset of that name, as of lookup, whose images are large enough.

    Raises:
        UserError: for an unknown name, or if a scale does not fit.
    """
    dataset = lookup(name, data_dir)
    check_sizes(dataset, scale, downscaler)
    return dataset
