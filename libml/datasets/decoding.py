"""From the numbers of records to images, as steps of tf.data pipelines."""

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from libml.datasets.catalogue import Dataset
from libml.datasets.damage import damaged_records
from libml.datasets.shards import Shards
from libml.errors import UserError, first_line, reason
from libml.system.cpu import available_cores
from libml.system.tfio import DAMAGE, records_from

LOOKED_UP = 256  # records whose places are looked up at a time

HELD = 1 << 28  # bytes that images being decoded may take up; batches being made may take up as many more

# No function of a pipeline branches on a tensor: rewriting each for that would take longer than building it.
plain = tf.autograph.experimental.do_not_convert

Place = Sequence[tf.Tensor]  # (index of the file, offset in it, bytes there), each int64 []


def options() -> tf.data.Options:
    """One thread a core, each busy with images of its own."""
    options = tf.data.Options()
    options.deterministic = True
    options.threading.private_threadpool_size = available_cores()
    options.threading.max_intra_op_parallelism = 1
    return options


def fitting(size: int) -> int:
    """How many things of `size` bytes each fit into HELD; at least one."""
    return max(1, HELD // size)


def image_bytes(dataset: Dataset) -> int:
    """Of one float32 image."""
    return 4 * dataset.size**2 * dataset.colors


def loads(dataset: Dataset) -> int:
    """Images to load at a time: each takes three arrays while it is cropped, resized and scaled."""
    return min(fitting(3 * image_bytes(dataset)), 2 * available_cores())


def looked_up(shards: Shards, numbers: tf.data.Dataset) -> tf.data.Dataset:
    """(..., number of a record) -> (..., and its place)."""
    return places_of(shards, numbers.batch(LOOKED_UP)).unbatch()


def places_of(shards: Shards, numbers: tf.data.Dataset) -> tf.data.Dataset:
    """As looked_up, of batches: (..., numbers [N]) -> (..., files [N], offsets [N], bytes [N])."""

    def look_up(*columns: tf.Tensor) -> tuple[tf.Tensor, ...]:
        place = tf.numpy_function(in_pipeline(shards.places), [columns[-1]], [tf.int64] * 3)
        return *columns[:-1], *(tf.ensure_shape(part, [None]) for part in place)

    return numbers.map(look_up)


def in_pipeline(function: Callable) -> Callable:
    """A function for tf.numpy_function, whose UserError arrives as an InvalidArgumentError, which `reading` expects."""

    def called(*arguments: np.ndarray) -> Any:
        try:
            return function(*arguments)
        except UserError as e:
            raise ValueError(str(e)) from e

    return called


def record_at(shards: Shards, place: Place) -> tf.Tensor:
    """One record, its checksums verified."""
    file, offset, size = place
    path = tf.gather(tf.constant([str(f) for f in shards.files]), file)
    return records_from(path, offset, size).take(1).get_single_element()


def parse(record: tf.Tensor, dataset: Dataset) -> tf.Tensor:
    """The encoded image of a serialized tf.train.Example."""
    features = {dataset.image_key: tf.io.FixedLenFeature([], tf.string)}
    return tf.io.parse_single_example(record, features)[dataset.image_key]


def decode(encoded: tf.Tensor, dataset: Dataset, flip: tf.Tensor | bool = False) -> tuple[tf.Tensor, tf.Tensor]:
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


def image_at(
    shards: Shards, members: Sequence[Dataset], place: Place, flip: tf.Tensor | bool = False
) -> tuple[tf.Tensor, tf.Tensor]:
    """The image of a record, as decode; mirrored if `flip` says so and its dataset may be.

    Args:
        shards: whose groups are those of the members.
        members: the datasets.
        place: of the record.
        flip: bool [].
    """
    record = record_at(shards, place)

    def of(member: Dataset) -> tuple[tf.Tensor, tf.Tensor]:
        return decode(parse(record, member), member, flip if member.flip else False)

    if len(members) == 1:
        return of(members[0])
    member = tf.gather(tf.constant(shards.group_of_file, tf.int32), place[0])
    return tf.switch_case(member, [functools.partial(of, m) for m in members])


def locate_bad(shards: Shards, members: Sequence[Dataset]) -> str:
    """'record I of FILE: reason' of the first record that cannot be read, or ''.

    Raises:
        UserError: if the records of a file cannot be told apart.
    """
    for file, path in enumerate(shards.files):
        shards.offsets(file)
        if damaged := damaged_records(path):
            return f"record {damaged[0]} of {path} is damaged (its checksum is wrong)"
        member = members[shards.group_of_file[file]]
        # As a graph, like the pipeline's: there an image of other channels is passed over and no fault.
        read = tf.function(lambda record, m=member: decode(parse(record, m), m)[1], autograph=False)
        for i, record in enumerate(tf.data.TFRecordDataset(str(path))):
            try:
                read(record)
            except (tf.errors.OpError, UnicodeDecodeError) as e:
                return f"record {i} of {path} is no image ({reason(e)})"
    return ""


def reading(dataset: tf.data.Dataset, locate: Callable[[], str]) -> Iterator:
    """Iterates over a tf.data pipeline, turning damage in its files into a UserError.

    Args:
        dataset: the pipeline.
        locate: says which record it was; looked for only then, since the pipeline does not tell.
    """
    try:
        yield from dataset
    except DAMAGE as e:
        raise UserError(f"{locate() or first_line(e)}: make the dataset again") from e
