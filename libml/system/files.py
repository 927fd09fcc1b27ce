"""Files that are whole or not there: written under a temporary name, flushed to the disk, then renamed."""

import contextlib
import errno
import fcntl
import functools
import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from libml.errors import UserError


@contextlib.contextmanager
def user_errors(path: str | os.PathLike, doing: str = "write") -> Iterator[None]:
    """Turns an OSError into a UserError that names the path and what was being done to it."""
    try:
        yield
    except OSError as e:
        raise UserError(f"cannot {doing} {path}: {e.strerror or e}") from e


def temporary_path(path: str | os.PathLike) -> Path:
    """A new hidden path beside `path`; no other process, on this machine or another, draws the same."""
    path = Path(path)
    return path.with_name(f".{path.name[:20]}.tmp{secrets.token_hex(6)}")  # short, however long the name is


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[Path]:
    """A temporary path beside `path`, published as it at the end, or removed when the block raises.

    Makes the parent folder. The temporary may become a file or a folder; it is hidden (its name starts with a dot).

    Raises:
        UserError: if the file system refuses.
    """
    path = Path(path)
    if not path.name or (os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)):
        raise UserError(f"cannot write {path}: it is no regular file")  # a device, which renaming would replace
    temporary = temporary_path(path)
    try:
        with user_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
        publish(temporary, path)
    finally:
        discard(temporary)


def write_atomic(path: str | os.PathLike, data: bytes) -> None:
    """Writes a whole file or none of it.

    Raises:
        UserError: if the file system refuses.
    """
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def publish(temporary: str | os.PathLike, final: str | os.PathLike) -> None:
    """Gives a complete file or folder its name; what has the name is on the disk, whenever the power fails.

    Replaces a file of that name, or an empty folder.

    Raises:
        UserError: if the file system refuses.
    """
    with user_errors(final):
        _flush_all(Path(temporary))
        os.replace(temporary, final)
        flush(Path(final).parent)


def flush_tree(path: str | os.PathLike) -> None:
    """Waits until a file, or a folder and all files below it, are on the disk.

    Raises:
        UserError: if the file system refuses.
    """
    with user_errors(path):
        _flush_all(Path(path))


def _flush_all(path: Path) -> None:
    """Flushes a file, or a folder after all that it holds; passes over links and what is no regular file."""
    if path.is_dir():
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.is_file(follow_symlinks=False) or entry.is_dir(follow_symlinks=False):
                    _flush_all(Path(entry.path))
    flush(path)


def flush(path: str | os.PathLike) -> None:
    """Waits until a file, or a folder's list of names, is on the disk.

    Raises:
        OSError: if the file system refuses.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as e:
        if e.errno not in (errno.EINVAL, errno.ENOTSUP):  # a file system that flushes no folders
            raise
    finally:
        os.close(handle)


def remove(path: str | os.PathLike) -> None:
    """Removes a file or a folder, if it is there.

    Raises:
        UserError: if anything of it stays.
    """
    try:
        _remove(path)
    except OSError as e:
        discard(path)  # what can be removed of a folder
        if os.path.lexists(path):
            raise UserError(f"cannot remove {path}: {e.strerror or e}") from e


def discard(path: str | os.PathLike) -> None:
    """Removes what can be removed of a file or a folder; never raises, so that no error is replaced by another."""
    with contextlib.suppress(OSError):
        _remove(path, ignore_errors=True)


def _remove(path: str | os.PathLike, ignore_errors: bool = False) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path, ignore_errors)
    else:
        os.remove(path)


@contextlib.contextmanager
def lock_file(path: str | os.PathLike, busy: str) -> Iterator[None]:
    """Holds a lock that ends with the block or the process; its file is made, parent folder included, and removed.

    On a file system that knows no locks there is a warning, and no lock.

    Args:
        path: of the file; a file for this alone.
        busy: what to say if another process holds the lock.

    Raises:
        UserError: `busy`; or if the file system refuses.
    """
    path = Path(path)
    with user_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = _open_locked(path, busy)
    with handle:
        try:
            yield
        finally:
            discard(path)


def _open_locked(path: Path, busy: str) -> IO:
    while True:
        handle = path.open("w")  # for writing: NFS locks no file that is opened for reading
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):  # the latter is what some network file systems say
            handle.close()
            raise UserError(busy) from None
        except OSError as e:
            _warn_of_no_lock(path.parent, e.strerror)
            return handle
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(handle.fileno()), path.stat()):
                return handle
        handle.close()  # its former holder removed it between the two calls


@functools.cache
def _warn_of_no_lock(folder: Path, reason: str) -> None:
    print(f"warning: {folder} is on a file system without locks ({reason}): use it from one process", file=sys.stderr)
