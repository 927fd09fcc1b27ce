"""Finding the damaged records of TFRecord files."""

from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf

from libml.datasets.recordfile import record_offsets
from libml.system.tfio import records_from

BUFFER = 1 << 20  # bytes


def _sound_from(path: Path, offset: int) -> tf.data.Dataset:
    """The records of a file from a byte offset on, up to the next damaged one."""

    def read(offset: tf.Tensor) -> tf.data.Dataset:
        return records_from(str(path), offset, BUFFER).ignore_errors()

    return tf.data.Dataset.from_tensors(tf.constant(offset, tf.int64)).flat_map(read)


def damaged_records(path: Path) -> list[int]:
    """Indices of the records of a file whose checksum is wrong; reads all of it.

    Raises:
        UserError: if the file's lengths make no sense.
    """
    offsets, damaged, first = list(record_offsets(path)), [], 0
    while first < len(offsets):
        first += int(_sound_from(path, offsets[first]).reduce(tf.constant(0, tf.int64), lambda n, _: n + 1))
        if first < len(offsets):
            damaged.append(first)
            first += 1
    return damaged


def sound_pieces(count: int, damaged: Sequence[int]) -> list[tuple[int, int]]:
    """(first record, records) of the stretches of a file's records between the damaged ones, some of them empty."""
    starts = [0, *(i + 1 for i in damaged)]
    return [(start, end - start) for start, end in zip(starts, [*damaged, count], strict=True) if start < count]
