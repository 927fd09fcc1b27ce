"""Files that are whole or not there: written under a temporary name, then renamed."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from libml.errors import UserError


@contextlib.contextmanager
def user_errors(path: str | os.PathLike, doing: str = "write") -> Iterator[None]:
    """Turns an OSError into a UserError that names the path and what was being done to it."""
    try:
        yield
    except OSError as e:
        raise UserError(f"cannot {doing} {path}: {e.strerror or e}") from e


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[Path]:
    """A temporary path beside `path`, renamed to it at the end, or removed when the block raises.

    Makes the parent folder. The temporary may become a file or a folder; it is hidden (its name starts with a dot).

    Raises:
        UserError: if the file system refuses.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.tmp{os.getpid()}")
    try:
        with user_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            os.replace(temporary, path)
    finally:
        remove(temporary)


def write_atomic(path: str | os.PathLike, data: bytes) -> None:
    """Writes a whole file or none of it."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def remove(path: str | os.PathLike) -> None:
    """Removes a file or a folder, if it is there."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(FileNotFoundError):
            os.remove(path)
