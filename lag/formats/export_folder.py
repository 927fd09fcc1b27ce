"""The folder of an export: new ones appear whole, and take the place of nothing but an export."""

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from lag.formats.card import CARD_FILE, ONNX_FILE, README_FILE, SAVED_MODEL_FILE, has_own_readme, load_description
from libml.errors import UserError
from libml.system.files import discard, flush_tree, lock_file, publish, remove, user_errors
from libml.system.store_path import StorePath

# What an export's folder can hold.
CONTENT = {"assets", "assets.extra", "fingerprint.pb", SAVED_MODEL_FILE, "variables", ONNX_FILE, CARD_FILE, README_FILE}
DIGITS = 18  # of a version's number: 64 bits hold it


@contextlib.contextmanager
def new_export(folder: Path, last: str = CARD_FILE) -> Iterator[Path]:
    """A temporary path for an export, which the block makes a folder; at the end it becomes `folder`.

    Args:
        folder: of the export.
        last: the file that a store gets last.

    Raises:
        UserError: if `folder` holds anything but an export, another program exports to it, or the file system refuses.
    """
    with _alone(folder), user_errors(folder), _replacing(folder, last) as temporary:
        yield temporary


@contextlib.contextmanager
def _replacing_on_store(folder: Path, last: str) -> Iterator[Path]:
    """The same where nothing can be renamed: there is no export from the first object that changes to the last."""
    with tempfile.TemporaryDirectory(prefix="lag-") as place:
        temporary = Path(place) / folder.name
        yield temporary
        _mark(folder).write_bytes(b"an export is being written\n")
        (folder / CARD_FILE).unlink(missing_ok=True)
        remove(folder)
        publish(temporary, folder, last)
        _mark(folder).unlink()


def _mark(folder: Path) -> Path:
    """An object that is there while the export beside it is being replaced."""
    return hidden(folder, "unfinished")


def is_number(name: str) -> bool:
    """Whether a folder's name is that of a version for TensorFlow Serving."""
    return name.isascii() and name.isdigit() and len(name) <= DIGITS


def check_target(folder: Path) -> None:
    """Refuses a folder that holds anything but an export.

    Raises:
        UserError: if it does.
    """
    if not folder.exists():
        return
    content = {path.name for path in folder.iterdir()} if folder.is_dir() else {""}
    unfinished = isinstance(folder, StorePath) and _mark(folder).is_file()
    if any(is_number(name) and load_description(folder / name) for name in content):
        raise UserError(f"{folder} holds versions for TensorFlow Serving: add --serving, or choose another --output")
    if content and not unfinished and not load_description(folder):
        raise UserError(f"{folder} exists and is no export of this project: choose another --output")
    if content - CONTENT:
        raise UserError(f"{folder} holds {min(content - CONTENT)}, which is no part of the export: move it elsewhere")
    if not unfinished and has_own_readme(folder):
        raise UserError(f"{folder}/{README_FILE} is not as the export wrote it: move it elsewhere")


def hidden(folder: Path, purpose: str) -> Path:
    """A path beside an export's folder."""
    return folder.with_name(f".{folder.name}.{purpose}")


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """No other program exports to the folder; what killed ones have left is gone.

    Raises:
        UserError: if another one does, or the folder holds anything but an export.
    """
    with lock_file(hidden(folder, "lock"), f"another program is exporting to {folder}: wait until it has ended"):
        with user_errors(folder):
            _clean_up(folder)
        check_target(folder)
        yield


def _clean_up(folder: Path) -> None:
    """Removes the leftovers of killed exports; an older export that was on its way out comes back if none is there."""
    leftover = re.compile(rf"\.{re.escape(folder.name)}\.(old|tmp)[0-9a-f]*")
    if isinstance(folder, StorePath):  # there a new export begins with what is left of the one before
        return
    for path, found in [(p, leftover.fullmatch(p.name)) for p in folder.parent.iterdir()]:
        if not found or path.is_symlink() or not path.is_dir() or {p.name for p in path.iterdir()} - CONTENT:
            continue  # not of an export
        if found[1] == "old" and load_description(path) and not folder.exists():
            os.replace(path, folder)
        else:
            remove(path)


@contextlib.contextmanager
def _replacing(folder: Path, last: str) -> Iterator[Path]:
    """A temporary folder that takes the place of `folder`; what was there goes once the new one is complete."""
    if isinstance(folder, StorePath):
        with _replacing_on_store(folder, last) as temporary:
            yield temporary
        return
    temporary, old = hidden(folder, "tmp"), hidden(folder, "old")
    try:
        yield temporary
        flush_tree(temporary)
        if folder.exists():
            os.replace(folder, old)
        publish(temporary, folder)
        remove(old)
    finally:
        discard(temporary)
        if old.exists() and not folder.exists():
            os.replace(old, folder)
