"""Local copies of large files on an object store, which are read again and again or mapped into memory."""

import concurrent.futures
import hashlib
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from libml.system.files import atomic_path, user_errors
from libml.system.store_path import StorePath

AT_ONCE = 8  # downloads


def place() -> Path:
    """The folder of all copies, in that of temporary files. Nothing empties it: other programs take what is there."""
    return Path(tempfile.gettempdir()) / f"lag-copies-{os.getuid()}"


def kept_copies(paths: Sequence[Path]) -> list[Path]:
    """Files as files of the local disk: themselves, or copies of those on a store, made where there is none yet.

    Raises:
        UserError: if a file cannot be read, or the disk has no room.
    """
    on_stores = [cast(StorePath, path) for path in paths if isinstance(path, StorePath)]
    wanted = {path: _place_of(path) for path in on_stores}
    missing = [path for path, copy in wanted.items() if not copy.is_file()]
    if missing:
        print(f"copying {len(missing)} files of {missing[0].parent} into {place()}", file=sys.stderr)
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as threads:
            tuple(threads.map(_fetch, missing, [wanted[path] for path in missing]))
    return [wanted.get(cast(StorePath, path), path) for path in paths]


def _place_of(path: StorePath) -> Path:
    """Another one for each version of the object."""
    with user_errors(path, "read"):
        status = path.stat()
    known = [str(status.st_size), status.version or f"unknown to {os.getpid()} at {time.monotonic_ns()}"]
    version = hashlib.sha256("|".join(known).encode()).hexdigest()[:16]
    scheme, *folders, name = path.parts
    return Path(place(), scheme.rstrip(":/"), *folders, version, name)


def _fetch(path: StorePath, copy: Path) -> None:
    place().mkdir(mode=0o700, exist_ok=True)
    with atomic_path(copy) as temporary, user_errors(path, "read"):
        path.download(temporary)
