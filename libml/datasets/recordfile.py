"""Where the records of TFRecord files are, and how many. Needs no TensorFlow."""

import mmap
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from libml.errors import UserError
from libml.system.files import user_errors


def record_offsets(path: Path) -> Iterator[int]:
    """Where each record of a file starts, from the length fields alone.

    Raises:
        UserError: if the file cannot be read, is empty, cut short, or no TFRecord.
    """
    with user_errors(path, "read"):
        file = path.open("rb")
    with file:
        size = os.fstat(file.fileno()).st_size
        if not size:
            raise UserError(f"{path} is empty: make the dataset again")
        yield from _offsets(path, file, size)


def _offsets(path: Path, file: BinaryIO, size: int) -> Iterator[int]:
    count = position = 0
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        while position + 12 <= size:  # a record: uint64 length, uint32 CRC of it, the data, uint32 CRC of that
            yield position
            (length,) = struct.unpack_from("<Q", data, position)
            position += length + 16
            count += 1
    if position != size:
        raise UserError(f"{path} is cut short or no TFRecord file (at record {count}): make the dataset again")


def count_records(path: Path) -> int:
    """Number of records of a file; raises as record_offsets."""
    return sum(1 for _ in record_offsets(path))
