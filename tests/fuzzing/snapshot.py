"""What is in a folder, to see what became of it."""

import hashlib
import os
import stat
from pathlib import Path


def snapshot(folder: Path) -> dict[str, str]:
    """Path below the folder -> what is there: 'file HASH', 'link TARGET', 'folder' or 'other'."""
    found = {}
    for place, folders, names in os.walk(folder):
        for name in (*folders, *names):
            path = os.path.join(place, name)
            found[os.path.relpath(path, folder)] = _describe(path)
    return found


def _describe(path: str) -> str:
    mode = os.lstat(path).st_mode
    if stat.S_ISLNK(mode):
        return f"link {os.readlink(path)}"
    if stat.S_ISDIR(mode):
        return "folder"
    if not stat.S_ISREG(mode):
        return "other"
    with open(path, "rb") as f:
        return f"file {hashlib.blake2b(f.read()).hexdigest()}"
