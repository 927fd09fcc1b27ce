"""Paths that users give: a pathlib.Path, or one on an object store, which does what the programs ask of a Path."""

import errno
import fnmatch
import json
import os
import posixpath
import re
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import NamedTuple, cast

from libml.errors import UserError
from libml.system import jsontext
from libml.system.stores import Info, Store, store_of

_ON_STORE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
ROSTER = ".roster.json"  # of a folder on a store: what is in it, and of sets of files which these are


class Status(NamedTuple):
    """As os.stat_result, of what a store knows. What was written when nobody knows counts as written now."""

    st_size: int
    version: str
    st_mtime_ns: int


class StorePath:
    """A path on a store. It is no os.PathLike: what takes local files alone fails, and makes no folder called gs:."""

    def __init__(self, text: str):
        """Args: as gs://bucket/folder/name."""
        self._scheme, _, rest = str(text).partition("://")
        self._pure = PurePosixPath(posixpath.normpath(rest) if rest else ".")

    def __str__(self) -> str:
        rest = str(self._pure)
        return f"{self._scheme}://{'' if rest == '.' else rest}"

    def __repr__(self) -> str:
        return f"StorePath({str(self)!r})"

    def __hash__(self) -> int:
        return hash(str(self))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StorePath) and str(self) == str(other)

    def __lt__(self, other: "StorePath") -> bool:
        return str(self) < str(other)

    def _at(self, pure: PurePosixPath) -> "StorePath":
        return StorePath(f"{self._scheme}://{pure}")

    def __truediv__(self, name: str | os.PathLike) -> "StorePath":
        return self._at(self._pure / name)

    @property
    def name(self) -> str:
        """The last word."""
        return self._pure.name

    @property
    def stem(self) -> str:
        """The last word without its suffix."""
        return self._pure.stem

    @property
    def suffix(self) -> str:
        """As .png."""
        return self._pure.suffix

    @property
    def parts(self) -> tuple[str, ...]:
        """The store, and the words."""
        return (f"{self._scheme}://", *self._pure.parts)

    @property
    def parent(self) -> "StorePath":
        """The folder that it lies in."""
        return self._at(self._pure.parent)

    @property
    def parents(self) -> tuple["StorePath", ...]:
        """That folder, and those above."""
        return tuple(map(self._at, self._pure.parents))

    def with_name(self, name: str) -> "StorePath":
        """Another last word."""
        return self._at(self._pure.with_name(name))

    def with_suffix(self, suffix: str) -> "StorePath":
        """Another suffix."""
        return self._at(self._pure.with_suffix(suffix))

    def relative_to(self, other: "StorePath") -> PurePosixPath:
        """The way from a folder above."""
        return self._pure.relative_to(other._pure)

    def resolve(self) -> "StorePath":
        """Itself: a store has no links, and no folder to be in."""
        return self

    absolute = expanduser = resolve

    @property
    def _store(self) -> Store:
        return store_of(str(self))

    def _info(self) -> Info | None:
        return self._store.info(str(self))

    def is_file(self) -> bool:
        """Whether there is an object of that name."""
        return self._info() is not None

    def is_dir(self) -> bool:
        """Whether there are objects below it."""
        return not self.is_file() and any(self.iterdir())

    def exists(self) -> bool:
        """Whether it is one or the other."""
        return self.is_file() or any(self.iterdir())

    def is_symlink(self) -> bool:
        """No."""
        return False

    def stat(self) -> Status:
        """Its size in bytes; FileNotFoundError if it is no object."""
        info = self._info()
        if info is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self))
        return Status(info.size, info.version, info.written or time.time_ns())

    def mkdir(self, parents: bool = False, exist_ok: bool = False) -> None:
        """Nothing: folders are there when something is in them."""

    def iterdir(self) -> Iterator["StorePath"]:
        """What lies directly below it, as far as a listing says or its roster; the roster aside."""
        return (self / name for name in self._below(self._store.names(str(self))))

    def entries(self) -> Iterator[tuple[str, bool]]:
        """The same as names, and whether each is a folder; most stores say so without being asked of each."""
        listed = self._store.names(str(self))
        known = {name.rstrip("/"): name.endswith("/") for name in listed} if self._store.marks_folders else {}
        for name in self._below(listed):
            yield name, known[name] if name in known else not (self / name).is_file()

    def _below(self, listed: Iterable[str]) -> list[str]:
        return sorted({name.rstrip("/") for name in (*listed, *(roster(self) or ()))} - {ROSTER})

    def glob(self, pattern: str) -> Iterator["StorePath"]:
        """What lies below it and fits; only the pattern's last word may have wildcards."""
        if not re.search(r"[*?[]", pattern):  # no need to wait for a listing
            return iter([self / pattern] if (self / pattern).is_file() else [])
        folder, _, last = pattern.rpartition("/")
        return (path for path in (self / folder).iterdir() if fnmatch.fnmatchcase(path.name, last))

    def walk(self) -> Iterator["StorePath"]:
        """All objects below it."""
        for name, is_folder in self.entries():
            if is_folder:
                yield from (self / name).walk()
            else:
                yield self / name

    def read_bytes(self) -> bytes:
        """All of the object."""
        return self._store.read(str(self))

    def read_text(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """The same as text."""
        return self.read_bytes().decode(encoding, errors)

    def write_bytes(self, data: bytes) -> None:
        """Writes the object, all or nothing."""
        with tempfile.TemporaryDirectory(prefix="lag-") as folder:
            file = Path(folder) / "object"
            file.write_bytes(data)
            self.upload(file)

    def download(self, file: Path) -> None:
        """Copies the object into a local file."""
        self._store.download(str(self), file)

    def upload(self, file: Path) -> None:
        """Writes the object from a local file, all or nothing."""
        self._store.upload(file, str(self))

    def unlink(self, missing_ok: bool = False) -> None:
        """Removes the object."""
        try:
            self._store.remove(str(self))
        except FileNotFoundError:
            if not missing_ok:
                raise


def to_path(text: str | os.PathLike | StorePath) -> Path:
    """The path that a user means: a Path, or a StorePath, which functions that take either call a Path, too."""
    if isinstance(text, StorePath):
        return cast(Path, text)
    return cast(Path, StorePath(text)) if isinstance(text, str) and _ON_STORE.match(text) else Path(text)


def local_only(flag: str, text: str) -> Path:
    """The path of a flag for what is read from the local disk alone.

    Raises:
        UserError: if it is on a store.
    """
    path = to_path(text)
    if isinstance(path, StorePath):
        raise UserError(f"--{flag}={text} must be on the local disk: copy it there first")
    return path


def absolute(text: str | os.PathLike | StorePath) -> Path:
    """The same from the top, without .. in it."""
    path = to_path(text)
    return path if isinstance(path, StorePath) else Path(os.path.abspath(path))


def roster(folder: StorePath) -> dict[str, list[str]] | None:
    """What was published in a folder: name -> the files that a set consists of, below it; None where nobody keeps it.

    Listings may be late, an object that is read by its name never is.
    """
    try:
        found = jsontext.parse((folder / ROSTER).read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def enroll(folder: StorePath, new: Mapping[str, list[str]]) -> None:
    """Adds to a folder's roster, which one process at a time may change. A new roster has what is listed already."""
    known = roster(folder)
    if known is None:
        known = {path.name: [] for path in folder.iterdir()}
    _write_roster(folder, {**known, **new})


def strike(folder: StorePath, *names: str) -> None:
    """Takes names out of a folder's roster, as far as it has them."""
    before = roster(folder) or {}
    if any(name in before for name in names):
        _write_roster(folder, {other: files for other, files in before.items() if other not in names})


def clear(folder: StorePath) -> None:
    """From now on nothing is published in a folder."""
    _write_roster(folder, {})


def _write_roster(folder: StorePath, content: Mapping[str, list[str]]) -> None:
    (folder / ROSTER).write_bytes((json.dumps(content, indent=1, sort_keys=True) + "\n").encode())
