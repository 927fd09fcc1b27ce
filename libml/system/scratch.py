"""Arrays that lie on the disk while a program runs, so that memory does not grow with them."""

import math
import os
import tempfile
from collections.abc import Sequence

import numpy as np

from libml.system.files import user_errors


def on_disk(shape: Sequence[int], dtype: type) -> np.ndarray:
    """An array of zeros in a file that has no name and goes with the array.

    Raises:
        UserError: if the folder of temporary files has no room.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    with user_errors(tempfile.gettempdir(), "write to"), tempfile.TemporaryFile() as file:
        os.posix_fallocate(file.fileno(), 0, size)  # a full disk is an error here, not a dead process later
        return np.memmap(file, dtype, "r+", shape=tuple(shape))  # it keeps its own handle
