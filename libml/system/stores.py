"""Object stores, gs://, s3:// and others: whole objects by name, no folders, no renaming, no appending.

A store here is anything with a few operations on whole objects. TensorFlow's file systems are one, those of fsspec,
which TensorFlow Datasets brings along, stand in for those that TensorFlow has not. An object is there as a whole or not
at all; a listing may be late.
"""

import contextlib
import errno
import functools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from libml.errors import UserError, reason
from libml.system import starting


def _tensorflow() -> Any:
    with starting.quietly("tensorflow" not in sys.modules):
        import tensorflow
    return tensorflow


class Info(NamedTuple):
    """What a store knows of an object."""

    size: int  # bytes
    version: str  # another one whenever it was written again; empty if the store does not know
    written: int = 0  # when, in nanoseconds since 1970; 0 if the store does not know


class Store(Protocol):
    """Operations on objects, each called by its whole name as gs://bucket/folder/name. They raise OSError alone."""

    marks_folders: bool  # whether names of folders end with / in listings, where others then are objects

    def info(self, name: str) -> Info | None:
        """What is known of an object; None where there is none."""

    def read(self, name: str) -> bytes:
        """All of an object; FileNotFoundError where there is none."""

    def download(self, name: str, file: Path) -> None:
        """Copies an object into a local file."""

    def upload(self, file: Path, name: str) -> None:
        """Writes an object, all or nothing, from a local file."""

    def names(self, folder: str) -> list[str]:
        """What lies directly below a folder, objects and folders; nothing where there is none."""

    def remove(self, name: str) -> None:
        """Removes an object; FileNotFoundError where there is none."""


class _TensorFlowStore:
    """What TensorFlow has a file system for: gs:// and ram://, further ones with tensorflow-io."""

    def __init__(self, marks_folders: bool = False):
        """Args: whether TensorFlow's listings of it do so."""
        self.marks_folders = marks_folders

    def info(self, name: str) -> Info | None:
        try:
            with _gfile(name) as gfile:
                found = gfile.stat(name)
        except FileNotFoundError:
            return None
        return None if found.is_directory else Info(found.length, str(found.mtime_nsec or ""), found.mtime_nsec)

    def read(self, name: str) -> bytes:
        with _gfile(name) as gfile, gfile.GFile(name, "rb") as file:
            return file.read()

    def download(self, name: str, file: Path) -> None:
        with _gfile(name) as gfile:
            gfile.copy(name, str(file), overwrite=True)

    def upload(self, file: Path, name: str) -> None:
        with _gfile(name) as gfile:  # one call, which no signal's handler can break off half-way
            gfile.copy(str(file), name, overwrite=True)

    def names(self, folder: str) -> list[str]:
        with contextlib.suppress(FileNotFoundError), _gfile(folder) as gfile:
            return [name if self.marks_folders else name.rstrip("/") for name in gfile.listdir(folder)]
        return []

    def remove(self, name: str) -> None:
        with _gfile(name) as gfile:
            gfile.remove(name)


class _MemoryStore(_TensorFlowStore):
    """ram://, for tests: TensorFlow lists folders that were made alone, and adds to a file that it is to write anew."""

    def upload(self, file: Path, name: str) -> None:
        with _gfile(name) as gfile:
            gfile.makedirs(name.rpartition("/")[0])
            gfile.copy(str(file), f"{name}.new")
            gfile.rename(f"{name}.new", name, overwrite=True)


@contextlib.contextmanager
def _gfile(name: str) -> Iterator[Any]:
    """tf.io.gfile; what it raises of an object is an OSError."""
    tf = _tensorflow()
    try:
        yield tf.io.gfile
    except tf.errors.NotFoundError:
        raise FileNotFoundError(errno.ENOENT, "there is no such object", name) from None
    except tf.errors.OpError as e:
        raise OSError(None, reason(e)) from e


class _FsspecStore:
    """What fsspec has a file system for, as s3:// with s3fs."""

    marks_folders = True

    def __init__(self, system: Any):
        """Args: an fsspec.AbstractFileSystem."""
        self._system = system

    def info(self, name: str) -> Info | None:
        with _store_errors(name):
            self._system.invalidate_cache()  # another process may have written since
            try:
                found = self._system.info(name)
            except FileNotFoundError:
                return None
            version = next(
                (str(found[key]) for key in ("etag", "ETag", "mtime", "LastModified", "created") if key in found), ""
            )
            return None if found["type"] == "directory" else Info(found["size"], version)

    def read(self, name: str) -> bytes:
        with _store_errors(name):
            return self._system.cat_file(name)

    def download(self, name: str, file: Path) -> None:
        with _store_errors(name):
            self._system.get_file(name, str(file))

    def upload(self, file: Path, name: str) -> None:
        with _store_errors(name):
            self._system.put_file(str(file), name)

    def names(self, folder: str) -> list[str]:
        with contextlib.suppress(FileNotFoundError), _store_errors(folder):
            self._system.invalidate_cache()
            entries = self._system.ls(folder, detail=True)  # s3fs and others list names alone by default
            found = {entry["name"].rstrip("/"): entry["type"] == "directory" for entry in entries}
            found.pop(self._system._strip_protocol(folder), None)
            return [path.rpartition("/")[2] + "/" * is_folder for path, is_folder in found.items()]
        return []

    def remove(self, name: str) -> None:
        with _store_errors(name):
            self._system.rm_file(name)


@contextlib.contextmanager
def _store_errors(name: str) -> Iterator[None]:
    """Whatever a library of a store's maker raises, as an OSError."""
    try:
        yield
    except OSError:
        raise
    except Exception as e:
        raise OSError(None, f"{name}: {reason(e)}") from e


_KNOWN: dict[str, Store] = {}


def register(scheme: str, store: Store) -> None:
    """From now on names that begin with SCHEME:// are objects of that store."""
    _KNOWN[scheme] = store


def store_of(name: str) -> Store:
    """The store of an object.

    Raises:
        UserError: if nothing that is installed knows it.
    """
    scheme = name.partition("://")[0]
    return _KNOWN.get(scheme) or _installed(scheme)


@functools.cache
def _installed(scheme: str) -> Store:
    if scheme in _tensorflow().io.gfile.get_registered_schemes():
        return _MemoryStore() if scheme == "ram" else _TensorFlowStore(marks_folders=scheme == "gs")
    try:
        import fsspec

        return _FsspecStore(fsspec.filesystem(scheme))
    except (ImportError, ValueError) as e:  # the latter for a scheme that it has never heard of
        raise UserError(f"{scheme}:// is no file system that TensorFlow knows, nor fsspec: {reason(e)}") from None
