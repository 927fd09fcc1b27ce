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
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from libml import rng
from libml.datasets import manifest, toyfaces_records
from libml.errors import UserError
from libml.layers import DOWNSCALERS
from libml.workers import available_cores

SIZES = (32, 64, 128, 256)
LSUN = (
    *("bedroom", "bridge", "church_outdoor", "classroom", "conference_room"),
    *("dining_room", "kitchen", "living_room", "restaurant", "tower"),
)
OWN_SIZES = range(8, 2049)  # sides that a user's own dataset may be asked for
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
    base, size = re.fullmatch(r"(.*?)(\d*)", name).groups()
    if base in own:
        return _own(name, base, size, Path(data_dir))
    near = difflib.get_close_matches(name, [*registry, *own.values()], n=3, cutoff=0.5)
    hint = f"; did you mean {', '.join(near)}?" if near else "; the README lists the names"
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
    how = f"python scripts/create_datasets.py --folder=PICTURES --name={base}"
    return _dataset(name, base, int(size), colors=content["colors"], how_to_make=how)


def find_files(dataset: Dataset, data_dir: Path, split: str) -> list[Path]:
    """The files of a split ('train' or 'test'), sorted; makes the embedded dataset when it is missing.

    Raises:
        UserError: if there are none, saying what was looked for and how to make it, or if shards are missing.
    """
    files = _present_files(dataset, data_dir, split)
    if not files and dataset.make:
        dataset.make(data_dir)
        files = _present_files(dataset, data_dir, split)
    if not files:
        looked_for = " or ".join(str(data_dir / p) for p in getattr(dataset, split))
        raise UserError(
            f"no {split} files of {dataset.name}: looked for {looked_for}; "
            f"set --data_dir or $ML_DATA to the folder that has them, or make them with: {dataset.how_to_make}"
        )
    return files


def _present_files(dataset: Dataset, data_dir: Path, split: str) -> list[Path]:
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


def count_of_files(files: Sequence[Path], data_dir: Path, base: str) -> int:
    """Records of files: as the manifest says where it knows a file of that size, else counted.

    Raises:
        UserError: if a file is empty, cut short, or no TFRecord.
    """
    known = manifest.record_counts(data_dir, base) if base else {}
    total = 0
    for file in files:
        size, records = known.get(file, (-1, 0))
        total += records if size == file.stat().st_size else count_records(file)
    return total


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


def _decode(encoded: tf.Tensor, dataset: Dataset, flip: tf.Tensor | bool = False) -> tuple[tf.Tensor, tf.Tensor]:
    """PNG or JPEG bytes to an image, cropped, mirrored if `flip` says so, and resized.

    Returns:
        float32 [size, size, colors] in 0..255, and whether the channels are as many as declared.
    """
    image = tf.io.decode_image(encoded, channels=0, expand_animations=False)
    image.set_shape([None, None, None])
    rows, columns = dataset.crop
    if rows or columns:
        shape = tf.shape(image)
        image = image[rows : shape[0] - rows, columns : shape[1] - columns]
    fits = tf.equal(tf.shape(image)[-1], dataset.colors)
    if flip is not False:  # here bytes of one image are moved; after resizing and batching it costs 20 times as much
        image = tf.reverse(image, tf.range(1, 1 + tf.cast(flip, tf.int32)))
    image = tf.raw_ops.ResizeArea(images=image[None], size=[dataset.size, dataset.size])[0]
    image.set_shape([dataset.size, dataset.size, dataset.colors])  # holds for what passes the filter
    return image, fits


def _parse(record: tf.Tensor, dataset: Dataset) -> tf.Tensor:
    return tf.io.parse_single_example(record, {dataset.image_key: tf.io.FixedLenFeature([], tf.string)})[
        dataset.image_key
    ]


def _options() -> tf.data.Options:
    """One thread a core, each busy with images of its own."""
    options = tf.data.Options()
    options.deterministic = True
    options.threading.private_threadpool_size = available_cores()
    options.threading.max_intra_op_parallelism = 1
    return options


class Images:
    """A dataset's files in a data folder: the training stream and the test images."""

    def __init__(self, dataset: Dataset, data_dir: str | Path):
        """Finds the training files and counts their records.

        Raises:
            UserError: if files are missing, damaged, or hold no image of the right number of channels.
        """
        self.dataset, self.data_dir = dataset, Path(data_dir)
        self.members = self._present_members() if dataset.members else (dataset,)
        self.train_files = [find_files(m, self.data_dir, "train") for m in self.members]
        self.counts = [
            count_of_files(files, self.data_dir, m.base) for m, files in zip(self.members, self.train_files, strict=True)
        ]

    def _present_members(self) -> tuple[Dataset, ...]:
        """The members of a mixture that are there, after one line about the others."""
        present = [m for m in self.dataset.members if _present_files(m, self.data_dir, "train")]
        missing = [m.name for m in self.dataset.members if m not in present]
        if not present:
            raise UserError(
                f"no dataset of {self.dataset.name} is in {self.data_dir}: looked for {', '.join(missing)}; set --data_dir "
                f"or $ML_DATA to the folder that has them, or make them with: {self.dataset.how_to_make}"
            )
        if missing:
            names = ", ".join(m.name for m in present)
            print(f"{self.dataset.name} is made of {names}; missing: {', '.join(missing)}", file=sys.stderr)
        return tuple(present)

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

    def _image(self, member: tf.Tensor, encoded: tf.Tensor, heads: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """An image of a member, mirrored if `heads` says so and the member may be."""
        decoders = [functools.partial(_decode, encoded, m, heads if m.flip else False) for m in self.members]
        return decoders[0]() if len(decoders) == 1 else tf.switch_case(member, decoders)

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
        cores = available_cores()

        def load(p, member, encoded):
            image, fits = self._image(member, encoded, rng.uniform([], flip_key, p) < 0.5)
            return p, image, fits

        def finish(p, images, _):
            hires = images * (2 / 255) - 1
            return p[-1] + 1, DOWNSCALERS[downscaler](hires, scale), hires

        images = self._records(seed, position).map(load, num_parallel_calls=2 * cores)
        images = images.filter(lambda p, image, fits: fits)
        pairs = images.batch(batch, drop_remainder=True).map(finish, num_parallel_calls=cores)
        return pairs.prefetch(2).with_options(_options())

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
