"""The folder that TensorFlow Serving watches: a model's versions, each an export in a folder called by a number."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from lag.formats.card import CARD_FILE, SAVED_MODEL_FILE
from lag.formats.export_folder import hidden, is_number, new_export
from libml.errors import UserError
from libml.system.files import exists, is_folder, lock_file, published
from libml.system.store_path import StorePath


def newest_version(base: Path) -> Path | None:
    """The version that Serving would serve; None where there is none.

    Raises:
        UserError: if the folder cannot be read.
    """
    if not is_folder(base):
        return None
    names = set(published(base))
    if isinstance(base, StorePath):  # a version may have been put there or removed by hand, which no list says
        names |= {path.name for path in base.iterdir()}
    found = {int(name): base / name for name in names if is_number(name)}
    there = (found[number] for number in sorted(found, reverse=True))
    if isinstance(base, StorePath):
        there = (version for version in there if exists(version / SAVED_MODEL_FILE))  # which is written last
    return next(there, None)


def check_base(base: Path) -> None:
    """Refuses a folder that is itself an export.

    Raises:
        UserError: if it is one.
    """
    if exists(base / CARD_FILE) or exists(base / SAVED_MODEL_FILE):
        raise UserError(
            f"{base} is an export, and Serving watches a folder of numbered ones: choose another --output, "
            f"or move the export to {base}/1"
        )


@contextlib.contextmanager
def new_version(base: Path) -> Iterator[tuple[Path, Path]]:
    """The next version: (its folder, a temporary path that the block makes a folder).

    The folder gets its number when the block is done. Serving takes no notice of hidden names. On a store, where
    nothing can be renamed, the file comes last without which Serving loads nothing; it tries again after a minute.

    Raises:
        UserError: if the folder is itself an export, another program exports to it, or the file system refuses.
    """
    with lock_file(hidden(base, "lock"), f"another program is exporting to {base}: wait until it has ended"):
        check_base(base)
        newest = newest_version(base)
        folder = base / str(int(newest.name) + 1 if newest else 1)
        with new_export(folder, last=SAVED_MODEL_FILE) as temporary:
            yield folder, temporary
