"""Reading an LMDB archive in a process of its own.

LMDB maps its file into memory and trusts what it finds there: an archive that was cut short ends the process that
reads it by a signal. That must not be the process that makes a dataset.

    python -P lmdb_records.py FOLDER    writes the archive to its standard output: the number of records, then of each
                                        the lengths of its key and its value, and both; numbers are little-endian int64
"""

import contextlib
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator
from typing import IO, NamedTuple

_COUNT, _LENGTHS = struct.Struct("<q"), struct.Struct("<qq")


class ArchiveError(Exception):
    """An archive cannot be read; says why."""


class Archive(NamedTuple):
    """An archive that is being read."""

    count: int  # of records, as the archive says
    records: Iterator[tuple[bytes, bytes]]  # (key, value), in the order of the keys


@contextlib.contextmanager
def reading(folder: str) -> Iterator[Archive]:
    """Opens the archive of a folder.

    Raises:
        ArchiveError: if it cannot be read, now or with a later record.
    """
    # -P: the modules beside this one are not top-level modules. A session of its own: Ctrl-C is for who reads.
    command = [sys.executable, "-P", __file__, folder]
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, start_new_session=True) as process:
        try:
            (count,) = _COUNT.unpack(_read(process, _COUNT.size))
            yield Archive(count, _records(process, count))
        finally:
            process.kill()


def _records(process: subprocess.Popen, count: int) -> Iterator[tuple[bytes, bytes]]:
    for _ in range(count):
        key, value = _LENGTHS.unpack(_read(process, _LENGTHS.size))
        yield _read(process, key), _read(process, value)
    if process.stdout.read(1):
        raise ArchiveError("it has more records than it says")


def _read(process: subprocess.Popen, length: int) -> bytes:
    content = process.stdout.read(length)
    if len(content) < length:
        status = process.wait()
        said = process.stderr.read().decode(errors="replace").strip().rpartition("\n")[2]
        raise ArchiveError(signal.strsignal(-status) if status < 0 else said or "it has fewer records than it says")
    return content


def write(folder: str, out: IO[bytes]) -> None:
    """Writes an archive's records, as the module says."""
    import lmdb

    with lmdb.open(folder, readonly=True, lock=False, readahead=True) as archive, archive.begin() as transaction:
        out.write(_COUNT.pack(archive.stat()["entries"]))
        for key, value in transaction.cursor():
            out.write(_LENGTHS.pack(len(key), len(value)) + key + value)
    out.flush()


if __name__ == "__main__":
    try:
        write(sys.argv[1], sys.stdout.buffer)
    except Exception as error:
        sys.exit(str(error))
