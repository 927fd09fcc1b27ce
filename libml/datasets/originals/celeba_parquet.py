"""CelebA from Parquet files of a dataset hub."""

import functools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from libml.datasets.originals import parquet
from libml.datasets.originals.celeba_lists import ATTRIBUTE_NAMES, COUNTS, SIZE, official_split, stem
from libml.datasets.originals.sources import Differences, Features, Originals, Split, check_counts, checked
from libml.errors import UserError

IDENTITY_COLUMNS = ("celeb_id", "identity", "identity_no")
_Row = tuple[str, str, Features]  # split, name, features


def read(path: str, files: Sequence[Path], differences: Differences) -> Originals:
    """CelebA's originals in Parquet files.

    Raises:
        UserError: if they cannot be read, or nothing tells their split.
    """
    root = Path(path).expanduser()
    tables = [parquet.Table(file) for file in files]
    splits = [parquet.split_of(file, root) for file in files]
    if all(splits):
        counts = {split: sum(t.count for t, s in zip(tables, splits, strict=True) if s == split) for split in COUNTS}
    else:
        counts = _counted(path, tables)
        splits = [""] * len(files)
    check_counts(counts, COUNTS, differences)
    _note_columns(tables, differences)
    made = {}
    for split, count in counts.items():
        chosen = [table for table, of in zip(tables, splits, strict=True) if of in (split, "")]
        made[split] = Split(count, functools.partial(_images, chosen, "" if all(splits) else split, differences))
    return Originals("Parquet files", made, {"min": list(SIZE[::-1]), "max": list(SIZE[::-1])}, differences)


def _counted(path: str, tables: Sequence[parquet.Table]) -> dict[str, int]:
    """Images of each split by the numbers that are their names.

    Raises:
        UserError: if some have other names.
    """
    counts = dict.fromkeys(COUNTS, 0)
    for table in tables:
        for _, name, _ in table.rows():
            if not (split := official_split(stem(name))):
                raise UserError(
                    f"--from={path}: nothing tells the split: neither are the files called train, valid and test, nor "
                    f"has each image its official number as path (one has {name!r})"
                )
            counts[split] += 1
    return counts


def _note_columns(tables: Sequence[parquet.Table], differences: Differences) -> None:
    if not all(_attribute_columns(table) for table in tables):
        differences.add("a column of attributes is missing: the images have no attributes")
    if not all(_identity_column(table) for table in tables):
        differences.add("a column of identities is missing: every label is 0")


def _attribute_columns(table: parquet.Table) -> list[str]:
    """A column an attribute, or one of all."""
    names = set(table.schema.names)
    return list(ATTRIBUTE_NAMES) if set(ATTRIBUTE_NAMES) <= names else [n for n in ("attributes",) if n in names]


def _identity_column(table: parquet.Table) -> str:
    return next((name for name in IDENTITY_COLUMNS if name in table.schema.names), "")


def _images(tables: Sequence[parquet.Table], split: str, differences: Differences) -> Iterator[Features | None]:
    """The images of some files in their order; of one split by their names, unless it is ''."""

    def found() -> Iterator[tuple[str, Features]]:
        for table in tables:
            attributes, identity = _attribute_columns(table), _identity_column(table)
            columns = [*attributes, *([identity] if identity else [])]
            for number, (image, name, row) in enumerate(table.rows(columns)):
                if split and official_split(stem(name)) != split:
                    continue
                if image and not image.startswith(b"\xff\xd8"):
                    differences.count("pictures are not the official JPEG files but others", name or f"row {number}")
                yield name or f"row {number} of {table.path}", {"image": image, **_facts(row, attributes, identity)}

    return checked(found(), differences, SIZE)


def _facts(row: dict[str, Any], attributes: list[str], identity: str) -> Features:
    features: Features = {}
    values = row if len(attributes) > 1 else row.get("attributes")
    if isinstance(values, list) and len(values) == len(ATTRIBUTE_NAMES):
        values = dict(zip(ATTRIBUTE_NAMES, values, strict=True))
    if isinstance(values, dict) and all(values.get(name) is not None for name in ATTRIBUTE_NAMES):
        features["attributes"] = {name: values[name] > 0 for name in ATTRIBUTE_NAMES}
    if identity and isinstance(row[identity], int):
        features["identity"] = {"Identity_No": row[identity]}
    return features
