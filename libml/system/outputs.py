"""Where a program is to write, looked at before its work: what cannot be written must not cost an hour."""

import os
import tempfile
from pathlib import Path

from libml.errors import UserError
from libml.system.store_path import StorePath, to_path
from libml.system.stores import store_of

# Of files that somebody may ask for where a program writes a folder of them.
FILE_SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".md", ".csv", ".json", ".html"),
    *(".pdf", ".txt", ".onnx", ".pb", ".h5", ".keras", ".tflite", ".zip", ".gz", ".tgz", ".tar"),
)


def check_file(flag: str, path: str, suffix: str) -> None:
    """Refuses a path that is not to be a file of one kind, or that cannot be written.

    Args:
        flag: which one gave the path.
        path: of the file.
        suffix: that its name must end with, as .png.

    Raises:
        UserError: saying why.
    """
    if os.path.isdir(path):
        raise UserError(f"--{flag}={path} is a folder: name a file, as {os.path.join(path, 'name')}{suffix}")
    if not path.lower().endswith(suffix):
        wanted = Path(path).with_suffix(suffix) if Path(path).name else f"name{suffix}"
        raise UserError(f"--{flag}={path}: a {suffix[1:].upper()} file is written: name it {wanted}")
    check_place(flag, to_path(path).absolute().parent)


def check_folder(flag: str, path: str) -> None:
    """Refuses a path that looks like a file's or is one, or that cannot be written into.

    Args:
        flag: which one gave the path.
        path: of the folder, which may not be there yet.

    Raises:
        UserError: saying why.
    """
    stem, suffix = os.path.splitext(path.rstrip("/"))
    if not os.path.isdir(path) and suffix.lower() in FILE_SUFFIXES:
        raise UserError(f"--{flag}={path} is called like a file, and a folder is written: use --{flag}={stem}/")
    check_place(flag, to_path(path).absolute())


def check_place(flag: str, folder: Path) -> None:
    """Refuses a folder that cannot be written into, or made; of a store, one that nothing knows.

    Args:
        flag: which one gave the folder.
        folder: its absolute path, which may not be there yet.

    Raises:
        UserError: saying why.
    """
    if isinstance(folder, StorePath):
        store_of(str(folder))
        return
    while not os.path.lexists(folder) and folder != folder.parent:
        folder = folder.parent
    if not os.path.isdir(folder):
        raise UserError(f"--{flag}: {folder} is in the way, and no folder")
    try:
        with tempfile.TemporaryFile(dir=folder):  # permissions alone do not tell, least of all of root
            pass
    except OSError as e:
        raise UserError(f"--{flag}: cannot write into {folder}: {e.strerror}") from None
