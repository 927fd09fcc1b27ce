"""TensorFlow's own file operations: records from an offset on, and failing as Python's operations do."""

import contextlib
from collections.abc import Iterator

import tensorflow as tf

from libml.errors import UserError, first_line

# What reading a damaged file raises. Where TensorFlow's message quotes bytes of a record, Python cannot decode it.
DAMAGE = (tf.errors.DataLossError, tf.errors.InvalidArgumentError, tf.errors.NotFoundError, UnicodeDecodeError)


def records_from(path: tf.Tensor | str, offset: tf.Tensor, buffer_size: tf.Tensor | int) -> tf.data.Dataset:
    """The records of a TFRecord file from a byte offset on, int64 [], checksums verified; for use within a tf.data map.

    The operation behind tf.data.TFRecordDataset, whose Python class does not take an offset.
    """
    variant = tf.raw_ops.TFRecordDatasetV2(
        filenames=tf.reshape(path, [1]), compression_type="", buffer_size=buffer_size, byte_offsets=offset[None]
    )
    return tf.data.experimental.from_variant(variant, tf.TensorSpec([], tf.string))


@contextlib.contextmanager
def os_errors() -> Iterator[None]:
    """Turns what TensorFlow raises when a file system refuses (disk full, no permission) into an OSError."""
    try:
        yield
    except tf.errors.OpError as e:
        raise OSError(None, first_line(e).rpartition("; ")[2]) from e  # "PATH; No space left on device"


@contextlib.contextmanager
def tensorflow_errors() -> Iterator[None]:
    """Turns what TensorFlow raises when it cannot compute something, as for want of memory, into a UserError."""
    try:
        yield
    except tf.errors.OpError as error:
        raise UserError(first_line(error)) from error
