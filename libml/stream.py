"""The deterministic streams of (LR, HR) batches that training reads, and test images.

A training stream is an endless sequence of records whose order, flips included, is a pure function of the seed:
position p is record p % n of epoch p // n, so a run goes on anywhere by starting at its position.
"""

import functools
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from libml import rng
from libml.damage import damaged_records, sound_pieces, sound_records
from libml.data import Dataset, count_of_files, find_files, present_files
from libml.errors import UserError
from libml.layers import DOWNSCALERS
from libml.tfio import first_line
from libml.workers import available_cores

SHUFFLE_BUFFER = 4096  # encoded records; the reference's is at least 1024

# No function here branches on a tensor: rewriting each for that would take longer than building the pipeline.
_plain = tf.autograph.experimental.do_not_convert


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

    def __init__(self, dataset: Dataset, data_dir: str | Path, skip_bad_records: bool = False):
        """Finds the training files and counts their records.

        Args:
            dataset: what to read.
            data_dir: where it is.
            skip_bad_records: leave out damaged records and what is no image, instead of raising; reads all of the
                training files once to find the damaged ones.

        Raises:
            UserError: if files are missing or cut short.
        """
        self.dataset, self.data_dir = dataset, Path(data_dir)
        self.members = self._present_members() if dataset.members else (dataset,)
        self.train_files = [find_files(m, self.data_dir, "train") for m in self.members]
        self.counts = [
            count_of_files(files, self.data_dir, member.base)
            for member, files in zip(self.members, self.train_files, strict=True)
        ]
        self.skip_bad_records = skip_bad_records
        self._damaged = [0] * len(self.members)  # records of an epoch that are left out before they are counted
        if skip_bad_records:
            self._damaged = [sum(len(damaged_records(f)) for f in files) for files in self.train_files]
            self.counts = [n - bad for n, bad in zip(self.counts, self._damaged, strict=True)]
            if empty := [m.name for m, n in zip(self.members, self.counts, strict=True) if not n]:
                raise UserError(f"every training record of {empty[0]} is damaged: make the dataset again")

    def _present_members(self) -> tuple[Dataset, ...]:
        """The members of a mixture that are there, after one line about the others."""
        present = [m for m in self.dataset.members if present_files(m, self.data_dir, "train")]
        missing = [m.name for m in self.dataset.members if m not in present]
        if not present:
            raise UserError(
                f"no dataset of {self.dataset.name} is in {self.data_dir}: looked for {', '.join(missing)}; set "
                f"--data_dir or $ML_DATA to the folder that has them, or make them: {self.dataset.how_to_make}"
            )
        if missing:
            names = ", ".join(m.name for m in present)
            print(f"{self.dataset.name} is made of {names}; missing: {', '.join(missing)}", file=sys.stderr)
        return tuple(present)

    def _pieces(self, member: int) -> tuple[Callable[..., tf.data.Dataset], list[tf.Tensor]]:
        """What a member's training records are read with, and its arguments: the files, or their sound stretches."""
        files = self.train_files[member]
        if not self._damaged[member]:
            return functools.partial(tf.data.TFRecordDataset, buffer_size=1 << 20), [
                tf.constant([str(f) for f in files])
            ]
        paths, offsets = zip(*((str(f), offset) for f in files for offset in sound_pieces(f)), strict=True)
        return sound_records, [tf.constant(paths), tf.constant(offsets, tf.int64)]

    def _member_records(self, member: int, seed: int, position: int) -> tf.data.Dataset:
        """Endless (index, record) of one member from a position of its own; a seeded shuffle in every epoch."""
        count = self.counts[member]
        shuffle_key = rng.key(seed, f"shuffle/{self.members[member].name}")
        read, pieces = self._pieces(member)

        def epoch_records(epoch: tf.Tensor) -> tf.data.Dataset:
            order = tf.random.experimental.stateless_shuffle(
                tf.range(len(pieces[0])), rng.stateless_seed(shuffle_key, epoch)
            )
            records = read(*(tf.gather(part, order) for part in pieces))
            records = records.shuffle(SHUFFLE_BUFFER, seed=shuffle_key % (1 << 40) + epoch)
            start = epoch * count
            return records.enumerate(start).skip(tf.maximum(tf.constant(position, tf.int64) - start, 0))

        return tf.data.Dataset.range(position // count, np.iinfo(np.int64).max).flat_map(epoch_records)

    def _records(self, seed: int, position: int) -> tf.data.Dataset:
        """Endless (position, member, record): the members take turns."""
        m = len(self.members)
        if m == 1:
            return self._member_records(0, seed, position)  # (position, record): a map of its own would cost as much
        streams = []
        for i in range(m):
            start = (position - i + m - 1) // m  # turns that member i has had before this position

            def place(index, record, i=i):
                return index * m + i, tf.constant(i), record

            streams.append(self._member_records(i, seed, start).map(place))
        turns = tf.data.Dataset.range(position, np.iinfo(np.int64).max).map(lambda p: p % m)
        return tf.data.Dataset.choose_from_datasets(streams, turns)

    def _image(self, member: list[tf.Tensor], record: tf.Tensor, heads: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """An image of a member ([] for the only one), mirrored if `heads` says so and the member may be."""

        def decode(m: Dataset) -> tuple[tf.Tensor, tf.Tensor]:
            return _decode(_parse(record, m), m, heads if m.flip else False)

        if not member:
            return decode(self.members[0])
        return tf.switch_case(member[0], [functools.partial(decode, m) for m in self.members])

    @_plain
    def batches(
        self,
        *,
        batch: int,
        scale: int,
        downscaler: str,
        seed: int,
        position: int = 0,
        worker: int = 0,
        workers: int = 1,
    ) -> tf.data.Dataset:
        """The endless training stream, or one worker's part of it.

        Args:
            batch: images an element.
            scale: downscaling factor.
            downscaler: how LR images are made, a key of libml.layers.DOWNSCALERS.
            seed: of order and flips.
            position: records already consumed, by all workers.
            worker: which of the workers; they take turns of `batch` records, so that together they read the same
                global batches as one that reads alone.
            workers: how many share the stream.

        Returns:
            A dataset of (position after the batch, lores [N, h, w, C], hires [N, H, W, C]), float32 in [-1, 1].
        """
        flip_key = rng.key(seed, "flip")
        cores = available_cores()

        def load(p, *member_and_record):
            *member, record = member_and_record
            image, fits = self._image(member, record, rng.uniform([], flip_key, p) < 0.5)
            return p, image * (2 / 255) - 1, fits  # one image fits into a core's cache, a batch does not

        def finish(p, hires, _):
            return p[-1] + 1, DOWNSCALERS[downscaler](hires, scale), hires

        records = self._records(seed, position)
        if workers > 1:
            records = records.filter(lambda p, *_: (p - position) // batch % workers == worker)
        images = records.map(load, num_parallel_calls=2 * cores)
        if self.skip_bad_records:
            images = images.ignore_errors()
        images = images.filter(lambda p, image, fits: fits)
        pairs = images.batch(batch, drop_remainder=True).map(finish, num_parallel_calls=cores)
        return pairs.prefetch(2).with_options(_options())

    def raw_batches(self, batch: int) -> tf.data.Dataset:
        """For measuring: positions, members if there are several, and records of the training stream, not decoded."""
        records = self._records(seed=0, position=0)
        return records.batch(batch).prefetch(2).with_options(_options())

    def decoded_batches(self, batch: int) -> tf.data.Dataset:
        """For measuring: nothing but decoding, over and over the first images of the training files; [N] heights."""
        streams = []
        for member, files in zip(self.members, self.train_files, strict=True):
            encoded = tf.data.TFRecordDataset([str(f) for f in files]).take(SHUFFLE_BUFFER // len(self.members))
            streams.append(encoded.map(functools.partial(_parse, dataset=member)))
        first = functools.reduce(tf.data.Dataset.concatenate, streams).cache().repeat()

        def height(encoded: tf.Tensor) -> tf.Tensor:
            return tf.shape(tf.io.decode_image(encoded, expand_animations=False))[0]

        decoded = first.map(height, num_parallel_calls=2 * available_cores())
        return decoded.batch(batch).prefetch(2).with_options(_options())

    @_plain
    def check(self) -> None:
        """Reads until the first usable training image, so that a stream of none cannot hang.

        Raises:
            UserError: if no training image has the declared number of channels, or none can be read.
        """
        for i, member in enumerate(self.members):
            read, pieces = self._pieces(i)  # in the files' order: a shuffle would first fill its buffer
            images = read(*pieces).map(lambda record, m=member: _decode(_parse(record, m), m))
            images = images.ignore_errors() if self.skip_bad_records else images
            usable = images.filter(lambda image, fits: fits).take(1)
            if not any(True for _ in reading(usable, self.locate_bad)):
                raise UserError(
                    f"none of the {self.counts[i]} training images of {member.name} can be used: they must have "
                    f"{member.colors} channels ({self.train_files[i][0]}, ...)"
                )

    def locate_bad(self) -> str:
        """Which training record cannot be read: the first damaged one, else the first that is no image."""
        for member, files in zip(self.members, self.train_files, strict=True):
            for path in files:
                if found := _locate_bad(path, member):
                    return f"{found}; --skip_bad_records would leave it out"
        return ""

    def skipped(self, position: int, taken: int) -> int:
        """How many records were passed over on the way to a position, by which so many images were taken."""
        turns, damaged = len(self.members), 0
        for i, (count, bad) in enumerate(zip(self.counts, self._damaged, strict=True)):
            damaged += (position - i + turns - 1) // turns // count * bad
        return position - taken + damaged

    @_plain
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
            images += [image.numpy() for image, _ in reading(decoded, functools.partial(_first_bad, files, member))]
        if wanted is not None and indices is not None and len(images) < wanted:
            raise UserError(f"{self.dataset.name} has {len(images)} test images: there is no number {wanted - 1}")
        chosen = images if indices is None else [images[i] for i in indices]
        if not chosen:
            raise UserError(f"{self.dataset.name} has no test image of {self.dataset.colors} channels")
        return np.stack(chosen) * np.float32(2 / 255) - 1


def _locate_bad(path: Path, member: Dataset) -> str:
    """'record I of FILE: reason', or '' where all can be read."""
    if damaged := damaged_records(path):
        return f"record {damaged[0]} of {path} is damaged (its checksum is wrong)"
    for i, record in enumerate(tf.data.TFRecordDataset(str(path))):
        try:
            _decode(_parse(record, member), member)
        except tf.errors.OpError as e:
            return f"record {i} of {path} is no image ({first_line(e)[:200]})"
    return ""


def _first_bad(files: Sequence[Path], member: Dataset) -> str:
    return next(filter(None, (_locate_bad(path, member) for path in files)), "")


def reading(dataset: tf.data.Dataset, locate: Callable[[], str]) -> Iterator:
    """Iterates over a tf.data pipeline, turning damage in its files into a UserError.

    Args:
        dataset: the pipeline.
        locate: says which record it was; looked for only then, since the pipeline does not tell.
    """
    try:
        yield from dataset
    except (tf.errors.DataLossError, tf.errors.InvalidArgumentError, tf.errors.NotFoundError) as e:
        raise UserError(f"{locate() or first_line(e)}: make the dataset again") from e
