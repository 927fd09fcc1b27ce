"""Where the records of TFRecord files are, and how many. Needs no TensorFlow."""

import mmap
import struct
from collections.abc import Iterator
from pathlib import Path

from libml.errors import UserError


def record_offsets(path: Path) -> Iterator[int]:
    """Where each record of a file starts, from the length fields alone.

    Raises:
        UserError: if the file is empty, cut short, or no TFRecord.
    """
    size = path.stat().st_size
    if not size:
        raise UserError(f"{path} is empty: make the dataset again")
    count = position = 0
    with path.open("rb") as f, mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ) as data:
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
