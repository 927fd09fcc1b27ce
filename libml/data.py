"""Datasets by name, and the deterministic streams of (LR, HR) batches that training reads.

A dataset is TFRecord files in a data folder, one tf.train.Example an image (features: image, encoded PNG or JPEG;
label). A training stream is an endless sequence of records whose order, flips included, is a pure function of the seed:
position p is record p % n of epoch p // n, so a run goes on anywhere by starting at its position.
"""

import dataclasses
import difflib
import functools
import mmap
import re
import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from libml import rng
from libml.datasets import toyfaces_records
from libml.errors import UserError
from libml.layers import DOWNSCALERS

SIZES = (32, 64, 128, 256)
LSUN = (
    *("bedroom", "bridge", "church_outdoor", "classroom", "conference_room"),
    *("dining_room", "kitchen", "living_room", "restaurant", "tower"),
)
SHUFFLE_BUFFER = 4096  # encoded records; the reference's is at least 1024


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
    make: Callable[[Path], None] | None = None  # for what can be made on the spot
    members: tuple["Dataset", ...] = ()  # for a mixture, whose label is the member's index


def _files(name: str, split: str) -> tuple[str, str]:
    return f"{name}-{split}.tfrecord", f"{name}-{split}-?????-of-?????.tfrecord"


def _dataset(name: str, base: str, size: int, train: str = "train", test: str = "test", **options) -> Dataset:
    train_files = tuple(f for split in train.split() for f in _files(base, split))
    options.setdefault("how_to_make", f"python scripts/create_datasets.py {base}")
    return Dataset(name, size, train_files, _files(base, test), **options)


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


def lookup(name: str) -> Dataset:
    """The dataset of that name; `bedroom128` is accepted for `lsun_bedroom128`.

    Raises:
        UserError: for an unknown name, with near ones.
    """
    registry = _registry()
    for candidate in (name, f"lsun_{name}"):
        if candidate in registry:
            return registry[candidate]()
    near = difflib.get_close_matches(name, registry, n=3, cutoff=0.5)
    hint = f"; did you mean {', '.join(near)}?" if near else "; the README lists the names"
    if re.fullmatch(r"(celeba|toyfaces|imagenet|all|lsun_\w+?)\d*", name):
        hint += f" (sizes: {', '.join(map(str, SIZES))})"
    raise UserError(f"unknown dataset {name!r}{hint}")


def find_files(dataset: Dataset, data_dir: Path, split: str) -> list[Path]:
    """The files of a split ('train' or 'test'), sorted; makes the embedded dataset when it is missing.

    Raises:
        UserError: if there are none, saying what was looked for and how to make it.
    """
    patterns = getattr(dataset, split)
    files = sorted({f for pattern in patterns for f in data_dir.glob(pattern)})
    if not files and dataset.make:
        dataset.make(data_dir)
        files = sorted({f for pattern in patterns for f in data_dir.glob(pattern)})
    if not files:
        looked_for = " or ".join(str(data_dir / p) for p in patterns)
        raise UserError(
            f"no {split} files of {dataset.name}: looked for {looked_for}; "
            f"set --data_dir or $ML_DATA to the folder that has them, or make them with: {dataset.how_to_make}"
        )
    return files


def count_records(path: Path) -> int:
    """Number of records of a TFRecord file, from its length fields alone.

    Raises:
        UserError: if the file is empty, cut short, or no TFRecord.
    """
    size = path.stat().st_size
    if not size:
        raise UserError(f"{path} is empty: make the dataset again")
    count = position = 0
    with path.open("rb") as f, mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ) as data:
        while position < size:  # a record: uint64 length, uint32 CRC of it, the data, uint32 CRC of that
            if position + 12 > size:
                break
            (length,) = struct.unpack_from("<Q", data, position)
            position += length + 16
            count += 1
    if position != size:
        raise UserError(f"{path} is cut short or no TFRecord file (at record {count}): make the dataset again")
    return count


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


def _decode(encoded: tf.Tensor, dataset: Dataset) -> tuple[tf.Tensor, tf.Tensor]:
    """PNG or JPEG bytes -> float32 [size, size, colors] in 0..255, and whether the channels are as many as declared."""
    image = tf.io.decode_image(encoded, channels=0, expand_animations=False)
    rows, columns = dataset.crop
    if rows or columns:
        shape = tf.shape(image)
        image = image[rows : shape[0] - rows, columns : shape[1] - columns]
    fits = tf.equal(tf.shape(image)[-1], dataset.colors)
    image = tf.raw_ops.ResizeArea(images=image[None], size=[dataset.size, dataset.size])[0]
    image.set_shape([dataset.size, dataset.size, dataset.colors])  # holds for what passes the filter
    return image, fits


def _parse(record: tf.Tensor, dataset: Dataset) -> tf.Tensor:
    return tf.io.parse_single_example(record, {dataset.image_key: tf.io.FixedLenFeature([], tf.string)})[
        dataset.image_key
    ]


class Images:
    """A dataset's files in a data folder: the training stream and the test images."""

    def __init__(self, dataset: Dataset, data_dir: str | Path):
        """Finds the training files and counts their records.

        Raises:
            UserError: if files are missing, damaged, or hold no image of the right number of channels.
        """
        self.dataset, self.data_dir = dataset, Path(data_dir)
        self.members = dataset.members or (dataset,)
        self.train_files = [find_files(m, self.data_dir, "train") for m in self.members]
        self.counts = [sum(count_records(f) for f in files) for files in self.train_files]

    def _member_records(self, member: int, seed: int, position: int) -> tf.data.Dataset:
        """Endless (index, record) of one member from a position of its own; a seeded shuffle in every epoch."""
        files, count = self.train_files[member], self.counts[member]
        shuffle_key = rng.key(seed, f"shuffle/{self.members[member].name}")

        def epoch_records(epoch: tf.Tensor) -> tf.data.Dataset:
            order = tf.random.experimental.stateless_shuffle(
                tf.constant([str(f) for f in files]), rng.stateless_seed(shuffle_key, epoch)
            )
            records = tf.data.TFRecordDataset(order, buffer_size=1 << 20)
            records = records.shuffle(SHUFFLE_BUFFER, seed=shuffle_key % (1 << 40) + epoch)
            start = epoch * count
            return records.enumerate(start).skip(tf.maximum(tf.constant(position, tf.int64) - start, 0))

        return tf.data.Dataset.range(position // count, np.iinfo(np.int64).max).flat_map(epoch_records)

    def _records(self, seed: int, position: int) -> tf.data.Dataset:
        """Endless (position, member, encoded image): the members take turns."""
        m = len(self.members)
        streams = []
        for i in range(m):
            start = (position - i + m - 1) // m  # turns that member i has had before this position

            def place(index, record, i=i):
                return index * m + i, tf.constant(i), _parse(record, self.members[i])

            streams.append(self._member_records(i, seed, start).map(place))
        if m == 1:
            return streams[0]
        turns = tf.data.Dataset.range(position, np.iinfo(np.int64).max).map(lambda p: p % m)
        return tf.data.Dataset.choose_from_datasets(streams, turns)

    def _image(self, member: tf.Tensor, encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        if len(self.members) == 1:
            return _decode(encoded, self.members[0])
        return tf.switch_case(member, [functools.partial(_decode, encoded, m) for m in self.members])

    def batches(self, *, batch: int, scale: int, downscaler: str, seed: int, position: int = 0) -> tf.data.Dataset:
        """The endless training stream.

        Args:
            batch: images an element.
            scale: downscaling factor.
            downscaler: 'average' or 'bicubic'.
            seed: of order and flips.
            position: records already consumed.

        Returns:
            A dataset of (position after the batch, lores [N, h, w, C], hires [N, H, W, C]), float32 in [-1, 1].
        """
        flip_key = rng.key(seed, "flip")
        flips = tf.constant([m.flip for m in self.members])

        def load(p, member, encoded):
            image, fits = self._image(member, encoded)
            flip = tf.gather(flips, member) & (rng.uniform([], flip_key, p) < 0.5)
            return p, image, flip, fits

        def finish(p, images, flip, _):
            hires = images * (2 / 255) - 1
            hires = tf.where(flip[:, None, None, None], tf.reverse(hires, [2]), hires)
            return p[-1] + 1, DOWNSCALERS[downscaler](hires, scale), hires

        images = self._records(seed, position).map(load, num_parallel_calls=tf.data.AUTOTUNE)
        images = images.filter(lambda p, image, flip, fits: fits)
        return images.batch(batch, drop_remainder=True).map(finish).prefetch(tf.data.AUTOTUNE)

    def check(self) -> None:
        """Reads until the first usable training image, so that a stream of none cannot hang.

        Raises:
            UserError: if no training image has the declared number of channels.
        """
        for member, files, count in zip(self.members, self.train_files, self.counts, strict=True):
            records = tf.data.TFRecordDataset([str(f) for f in files])
            images = records.map(lambda r, m=member: _decode(_parse(r, m), m)).filter(lambda image, fits: fits)
            if not any(True for _ in reading(images.take(1), files)):
                raise UserError(
                    f"none of the {count} training images of {member.name} has {member.colors} channels: "
                    f"they cannot be used ({files[0]}, ...)"
                )

    def test_images(self, indices: Sequence[int] | None = None, limit: int | None = None) -> np.ndarray:
        """Test images in the order of the files, without flips.

        Args:
            indices: which ones; None for the first `limit`.
            limit: how many where no indices are given; None for all.

        Returns:
            float32 [N, H, W, C] in [-1, 1].

        Raises:
            UserError: if there are not so many.
        """
        if indices is not None and not len(indices):
            return np.zeros([0, self.dataset.size, self.dataset.size, self.dataset.colors], np.float32)
        wanted = limit if indices is None else max(indices) + 1
        images = []
        for member in self.members:
            files = find_files(member, self.data_dir, "test")
            records = tf.data.TFRecordDataset([str(f) for f in files])
            decoded = records.map(lambda r, m=member: _decode(_parse(r, m), m), num_parallel_calls=tf.data.AUTOTUNE)
            decoded = decoded.filter(lambda image, fits: fits)
            if wanted is not None:
                decoded = decoded.take(wanted - len(images))
            images += [image.numpy() for image, _ in reading(decoded, files)]
        if wanted is not None and indices is not None and len(images) < wanted:
            raise UserError(f"{self.dataset.name} has {len(images)} test images: there is no number {wanted - 1}")
        chosen = images if indices is None else [images[i] for i in indices]
        if not chosen:
            raise UserError(f"{self.dataset.name} has no test image of {self.dataset.colors} channels")
        return np.stack(chosen) * np.float32(2 / 255) - 1


def reading(dataset: tf.data.Dataset, files: Sequence[Path] = ()) -> Iterator:
    """Iterates over a tf.data pipeline, turning damage in its files into a UserError."""
    where = f" in {files[0]}{', ...' if len(files) > 1 else ''}" if files else ""
    try:
        yield from dataset
    except tf.errors.DataLossError as e:
        raise UserError(f"damaged record{where} ({_first_line(e)}): make the dataset again") from e
    except (tf.errors.InvalidArgumentError, tf.errors.NotFoundError) as e:
        raise UserError(f"cannot read an image{where} ({_first_line(e)}): make the dataset again") from e


def _first_line(error: tf.errors.OpError) -> str:
    return re.sub(r"\{\{.*?\}\} *", "", error.message).splitlines()[0][:200]
