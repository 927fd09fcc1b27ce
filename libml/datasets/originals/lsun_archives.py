"""LSUN's original archives, unpacked: a folder *_lmdb for each split of a category."""

import contextlib
import functools
from collections.abc import Iterator
from pathlib import Path

from libml.datasets.originals import lmdb_records
from libml.datasets.originals.lsun import examples
from libml.datasets.originals.sources import (
    Differences,
    Features,
    Originals,
    Split,
    check_counts,
    checked,
    find,
    folder_or_file,
)
from libml.errors import UserError

COUNTS = {
    **{"bedroom": 3_033_042, "bridge": 818_687, "church_outdoor": 126_227, "classroom": 168_103},
    **{"conference_room": 229_069, "dining_room": 657_571, "kitchen": 2_212_277, "living_room": 1_315_802},
    **{"restaurant": 626_331, "tower": 708_264},
}
VALIDATION = 300


def read(path: str, category: str) -> Originals:
    """A category's original archives, unpacked, in a folder or below it.

    Raises:
        UserError: if one is missing or cannot be read.
    """
    root, differences = folder_or_file(path), Differences()
    try:
        import lmdb  # noqa: F401
    except ImportError:
        raise UserError("the archives of LSUN need the package lmdb: pip install lmdb") from None
    root = root.parent if root.name.endswith("_lmdb") else root
    splits = {}
    for split, ending, official in (("train", "train", COUNTS[category]), ("validation", "val", VALIDATION)):
        name = f"{category}_{ending}_lmdb"
        folders = find(root, lambda entry, name=name: entry == name) if root.is_dir() else []
        folder = folders[0] if folders else root / name
        if not (folder / "data.mdb").is_file():
            raise UserError(f"--from={path} has no {name}/data.mdb: unpack {name}.zip in that folder")
        count = _count(folder)
        check_counts({split: count}, {split: official}, differences)
        splits[split] = Split(count, functools.partial(_images, folder, differences))
    return Originals(f"the archives {category}_*_lmdb", splits, {"any": True}, differences)


def _images(folder: Path, differences: Differences) -> Iterator[Features | None]:
    found = examples(str(folder.parent), folder.name)
    with _reading(folder):
        yield from checked(((f["id"], {"image": f["image"].getvalue()}) for _, f in found), differences)


def _count(folder: Path) -> int:
    with _reading(folder), lmdb_records.reading(str(folder)) as archive:
        return archive.count


@contextlib.contextmanager
def _reading(folder: Path) -> Iterator[None]:
    """Turns damage of an archive into a UserError."""
    try:
        yield
    except (lmdb_records.ArchiveError, UnicodeDecodeError) as e:
        raise UserError(f"--from: {folder} is damaged ({e}): unpack or fetch it again") from e
