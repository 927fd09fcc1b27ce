"""TensorFlow's own file operations, made to fail like Python's."""

import contextlib
from collections.abc import Iterator

import tensorflow as tf


@contextlib.contextmanager
def os_errors() -> Iterator[None]:
    """Turns what TensorFlow raises when a file system refuses (disk full, no permission) into an OSError."""
    try:
        yield
    except tf.errors.OpError as e:
        raise OSError(None, e.message.splitlines()[0]) from e
