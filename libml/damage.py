"""Reading around the damaged records of TFRecord files."""

from pathlib import Path

import tensorflow as tf

from libml.recordfile import record_offsets

BUFFER = 1 << 20  # bytes


def records_from(paths: tf.Tensor, offsets: tf.Tensor) -> tf.data.Dataset:
    """The records of files, each read from a byte offset on.

    Args:
        paths: [N] strings.
        offsets: [N] int64.
    """

    def read(path: tf.Tensor, offset: tf.Tensor) -> tf.data.Dataset:
        # The operation behind tf.data.TFRecordDataset, whose Python class does not take an offset.
        variant = tf.raw_ops.TFRecordDatasetV2(
            filenames=path[None], compression_type="", buffer_size=BUFFER, byte_offsets=offset[None]
        )
        return tf.data.experimental.from_variant(variant, tf.TensorSpec([], tf.string))

    return tf.data.Dataset.from_tensor_slices((paths, offsets)).flat_map(read)


def sound_records(paths: tf.Tensor, offsets: tf.Tensor) -> tf.data.Dataset:
    """As records_from, but each file only up to its next damaged record."""
    pieces = tf.data.Dataset.from_tensor_slices((paths, offsets))
    return pieces.flat_map(lambda path, offset: records_from(path[None], offset[None]).ignore_errors())


def damaged_records(path: Path) -> list[int]:
    """Indices of the records of a file whose checksum is wrong; reads all of it.

    Raises:
        UserError: if the file's lengths make no sense.
    """
    offsets, damaged, first = list(record_offsets(path)), [], 0
    while first < len(offsets):
        pieces = sound_records(tf.constant([str(path)]), tf.constant(offsets[first : first + 1], tf.int64))
        first += int(pieces.reduce(tf.constant(0, tf.int64), lambda n, _: n + 1))
        if first < len(offsets):
            damaged.append(first)
            first += 1
    return damaged


def sound_pieces(path: Path) -> list[int]:
    """Byte offsets from which sound_records reads all of a file but its damaged records."""
    offsets = list(record_offsets(path))
    starts = [0, *(i + 1 for i in damaged_records(path))]
    return [offsets[i] for i in starts if i < len(offsets)]
