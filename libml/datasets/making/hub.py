"""Any set of images in Parquet files, unpacked to the folder of pictures that a dataset is made of."""

import itertools
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from libml.datasets.making.pictures import SUFFIXES
from libml.datasets.originals import parquet
from libml.errors import UserError
from libml.system.files import user_errors

LABEL = "label"  # the column
SPLIT_RULE = "test if in a Parquet file called {}, else train"


def find_tables(path: str) -> list[parquet.Table]:
    """The Parquet files of a folder.

    Raises:
        UserError: if there are none, or one cannot be read.
    """
    root = Path(path).expanduser()
    files = parquet.find_files(root) if root.exists() else []
    if not files:
        raise UserError(f"--parquet={path}: there are no Parquet files: name the folder of a hub's *.parquet files")
    return [parquet.Table(file) for file in files]


def test_split(path: str, tables: Sequence[parquet.Table]) -> str:
    """Which of the hub's splits has the test images: test, else validation; '' if its files are not called so."""
    found = {parquet.split_of(table.path, Path(path).expanduser()) for table in tables}
    return next((split for split in ("test", "validation") if split in found and len(found) > 1), "")


def unpack(path: str, tables: Sequence[parquet.Table], place: Path) -> dict[str, str]:
    """Writes every image as a file, in a folder a label.

    Returns:
        Path below `place` -> train or test; nothing where the hub has no test split.

    Raises:
        UserError: if a table is damaged, or the file system refuses.
    """
    root, test, splits = Path(path).expanduser(), test_split(path, tables), {}
    for table, stem in zip(tables, _stems(tables, root), strict=True):
        folder_of = _folders(table)
        has_label = LABEL in table.schema.names
        for number, (image, name, row) in enumerate(table.rows([LABEL] if has_label else [])):
            suffix = Path(name).suffix.lower()
            folder = folder_of(row[LABEL]) if has_label else ""
            file = Path(folder) / f"{stem}-{number:08d}{suffix if suffix in SUFFIXES else '.png'}"
            with user_errors(place.parent.parent, "write into"):
                (place / folder).mkdir(parents=True, exist_ok=True)
                (place / file).write_bytes(image)
            if test:
                splits[str(file)] = "test" if parquet.split_of(table.path, root) == test else "train"
    return splits


def _stems(tables: Sequence[parquet.Table], root: Path) -> list[str]:
    """What each file's pictures are called before their numbers: its folders and name, and ~2 where two agree."""
    plain = ["-".join([*table.path.relative_to(root).parts[:-1], table.path.stem]) for table in tables]
    taken, made = set(plain), []
    for stem in plain:
        name = stem
        if stem in made:
            name = next(new for n in itertools.count(2) if (new := f"{stem}~{n}") not in taken)
            taken.add(name)
        made.append(name)
    return made


def _folders(table: parquet.Table) -> Callable[[Any], str]:
    """From a label to a folder's name that sorts as the label does."""
    names = _label_names(table)

    def folder(label: Any) -> str:
        if isinstance(label, int) and label >= 0:
            name = names[label] if label < len(names) else ""
            label = f"{label:05d} {name}"
        return re.sub(r"[^\w -]", "_", "no label" if label is None else str(label)).strip()[:100] or "_"

    return folder


def _label_names(table: parquet.Table) -> list[str]:
    """Those that the hub's library writes into the schema."""
    try:
        names = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"][LABEL]["names"]
        return [str(name) for name in names]
    except (KeyError, TypeError, ValueError):
        return []
