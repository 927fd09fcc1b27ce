"""Files that are whole or not there: written under a temporary name, flushed to the disk, then renamed.

On an object store, where nothing can be renamed, each object is written at once, and a folder of them counts when the
roster of the folder above names it.
"""

import contextlib
import errno
import fcntl
import functools
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from libml.errors import UserError
from libml.system import store_path
from libml.system.lease import lease
from libml.system.store_path import StorePath, to_path


@contextlib.contextmanager
def user_errors(path: str | os.PathLike | StorePath, doing: str = "write") -> Iterator[None]:
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
def atomic_path(path: str | os.PathLike | StorePath) -> Iterator[Path]:
    """A temporary path beside `path`, published as it at the end, or removed when the block raises.

    Makes the parent folder. The temporary may become a file or a folder; it is hidden (its name starts with a dot). For
    a path on a store it lies in the local folder of temporary files.

    Raises:
        UserError: if the file system refuses.
    """
    path = to_path(path)
    if isinstance(path, StorePath):
        with user_errors(path), tempfile.TemporaryDirectory(prefix="lag-") as folder:
            temporary = Path(folder) / path.name
            yield temporary
            publish(temporary, path)
        return
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


def write_atomic(path: str | os.PathLike | StorePath, data: bytes) -> None:
    """Writes a whole file or none of it.

    Raises:
        UserError: if the file system refuses.
    """
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def append(path: Path, text: str) -> None:
    """Adds to the end of a file; on a store, the whole of it is written again.

    Raises:
        UserError: if the file system refuses.
    """
    with user_errors(path):
        if isinstance(path, StorePath):
            before = path.read_bytes() if path.is_file() else b""
            path.write_bytes(before + text.encode())
        else:
            with path.open("a") as file:
                file.write(text)


def publish(temporary: str | os.PathLike, final: str | os.PathLike | StorePath, last: str = "") -> None:
    """Gives a complete file or folder its name; what has the name is on the disk, whenever the power fails.

    Replaces a file of that name, or an empty folder. On a store, where a folder's files come one by one, the file
    called `last` comes last.

    Raises:
        UserError: if the file system refuses.
    """
    with user_errors(final):
        if isinstance(final, StorePath):
            _upload(Path(temporary), final, last)
            return
        _flush_all(Path(temporary))
        os.replace(temporary, final)
        flush(Path(final).parent)


def _upload(temporary: Path, final: StorePath, last: str = "") -> None:
    """Copies a file, or all files of a folder and then their names, to a store."""
    if not temporary.is_dir():
        final.upload(temporary)
        return
    names = sorted(str(file.relative_to(temporary)) for file in temporary.rglob("*") if file.is_file())
    if store_path.roster(final.parent) is None:  # else what is listed counts, though it were half of this set
        store_path.enroll(final.parent, {})
    for name in sorted(names, key=lambda name: name == last):
        (final / name).upload(temporary / name)
    store_path.enroll(final.parent, {final.name: names})


def published(folder: Path) -> list[str]:
    """Names in a folder; none where there is no folder. On a store, of what is whole.

    Raises:
        UserError: if the folder cannot be read. Path.glob would take it for empty.
    """
    with user_errors(folder, "read"):
        if isinstance(folder, StorePath):
            known = store_path.roster(folder)
            return [path.name for path in folder.iterdir()] if known is None else list(known)
        try:
            return os.listdir(folder)
        except FileNotFoundError:
            return []


def exists(path: str | os.PathLike | StorePath) -> bool:
    """Whether there is anything of that name, a link to nothing aside; whatever the name is."""
    return path.exists() if isinstance(path, StorePath) else os.path.exists(path)


def is_folder(path: str | os.PathLike | StorePath) -> bool:
    """Whether there is a folder of that name, whatever the name is."""
    return path.is_dir() if isinstance(path, StorePath) else os.path.isdir(path)


def is_there(path: str | os.PathLike | StorePath) -> bool:
    """Whether there is anything of that name, though it were a link to nothing."""
    return path.exists() if isinstance(path, StorePath) else os.path.lexists(path)


def unpublished(folder: Path) -> list[Path]:
    """What is in a folder and is not whole, or hidden.

    Raises:
        UserError: if the folder cannot be read.
    """
    names = published(folder)
    if isinstance(folder, StorePath):
        with user_errors(folder, "read"):
            return [path for path in folder.iterdir() if path.name not in names]
    return [folder / name for name in names if name.startswith(".")]


def rename(path: Path, name: str) -> None:
    """Gives a file or folder another name in the same folder, which nothing has.

    Raises:
        UserError: if the file system refuses.
    """
    with user_errors(path, "rename"):
        if not isinstance(path, StorePath):
            os.replace(path, path.with_name(name))
            return
        with local_copy(path) as copy:
            _upload(copy, path.with_name(name))
        _remove(path)


def withdraw(folder: Path) -> None:
    """Makes a folder's files unfindable in one moment: it has another, temporary name, or on a store they are gone.

    Raises:
        UserError: if the file system refuses.
    """
    with user_errors(folder, "put aside"), contextlib.suppress(FileNotFoundError):
        if isinstance(folder, StorePath):
            store_path.clear(folder)
            for path in folder.iterdir():
                _remove(path)
        else:
            os.replace(folder, temporary_path(folder))


@contextlib.contextmanager
def local_copy(path: Path) -> Iterator[Path]:
    """A file or folder as one of the local disk: itself, or a copy of what is on a store, for as long as the block.

    Raises:
        OSError: if the store refuses. What a roster names and is not there is not in the copy either.
    """
    if not isinstance(path, StorePath):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="lag-") as folder:
        copy = Path(folder) / path.name
        if path.is_file():
            path.download(copy)
        else:
            copy.mkdir()
            for file in _files_below(path):
                (copy / file.relative_to(path)).parent.mkdir(parents=True, exist_ok=True)
                with contextlib.suppress(FileNotFoundError):
                    file.download(copy / file.relative_to(path))
        yield copy


def _files_below(folder: StorePath) -> list[StorePath]:
    """The objects of a set, listed or known by the roster above."""
    named = (store_path.roster(folder.parent) or {}).get(folder.name, [])
    return sorted({*folder.walk(), *(folder / name for name in named)})


def flush_tree(path: str | os.PathLike | StorePath) -> None:
    """Waits until a file, or a folder and all files below it, are on the disk. What is on a store always is.

    Raises:
        UserError: if the file system refuses.
    """
    if isinstance(path, StorePath):
        return
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


def flush_names(folder: Path) -> None:
    """Waits until a folder's list of names is on the disk. A store has no such list.

    Raises:
        OSError: if the file system refuses.
    """
    if not isinstance(folder, StorePath):
        flush(folder)


def remove(path: str | os.PathLike | StorePath) -> None:
    """Removes a file or a folder, if it is there.

    Raises:
        UserError: if anything of it stays.
    """
    try:
        _remove(path)
    except OSError as e:
        discard(path)  # what can be removed of a folder
        if is_there(path):
            raise UserError(f"cannot remove {path}: {e.strerror or e}") from e


def discard(path: str | os.PathLike | StorePath) -> None:
    """Removes what can be removed of a file or a folder; never raises, so that no error is replaced by another."""
    with contextlib.suppress(OSError):
        _remove(path, ignore_errors=True)


def _remove(path: str | os.PathLike | StorePath, ignore_errors: bool = False) -> None:
    if isinstance(path, StorePath):
        files = [path] if path.is_file() else [*_files_below(path), path / store_path.ROSTER]
        store_path.strike(path.parent, path.name)  # a set that lacks a file is none
        for file in files:
            file.unlink(missing_ok=True)
    elif os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path, ignore_errors)
    else:
        os.remove(path)


@contextlib.contextmanager
def lock_file(path: str | os.PathLike | StorePath, busy: str) -> Iterator[Callable[[], None]]:
    """Holds a lock that ends with the block or the process; its file is made, parent folder included, and removed.

    On a file system that knows no locks there is a warning, and no lock. On a store it is a lease.

    Args:
        path: of the file; a file for this alone.
        busy: what to say if another process holds the lock.

    Yields:
        What raises a UserError if the lock is no longer held, as a lease may be.

    Raises:
        UserError: `busy`; or if the file system refuses.
    """
    path = to_path(path)
    if isinstance(path, StorePath):
        with lease(path, busy) as check:
            yield check
        return
    with user_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = _open_locked(path, busy)
    with handle:
        try:
            yield lambda: None
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
