"""TensorFlow's own file operations, made to fail like Python's."""

import contextlib
from collections.abc import Iterator

import tensorflow as tf

from libml.errors import UserError, first_line

# What reading a damaged file raises. Where TensorFlow's message quotes bytes of a record, Python cannot decode it.
DAMAGE = (tf.errors.DataLossError, tf.errors.InvalidArgumentError, tf.errors.NotFoundError, UnicodeDecodeError)


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
