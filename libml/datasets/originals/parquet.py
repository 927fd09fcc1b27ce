"""Images in Parquet files as dataset hubs have them: a column of structs {bytes, path}, or of bytes."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from libml.datasets.originals.sources import find
from libml.errors import UserError, reason

AT_ONCE = 64  # rows in memory
_SPLITS = {"train": "train", "test": "test"} | dict.fromkeys(("val", "valid", "validation", "dev"), "validation")


def find_files(root: Path) -> list[Path]:
    """The Parquet files of a folder and below it, sorted; or the file itself."""
    if root.is_file():
        return [root] if root.suffix == ".parquet" else []
    return [file for file in find(root, lambda name: name.endswith(".parquet")) if file.is_file()]


def split_of(file: Path, root: Path) -> str:
    """train, validation or test by the words in a file's name, else in the folders between; '' if none says."""
    names = [file.stem, *(folder.name for folder in file.parents if folder.is_relative_to(root))]
    for name in names:
        for word in re.split(r"[-_. ]", name.lower()):
            if word in _SPLITS:
                return _SPLITS[word]
    return ""


class Table:
    """One file, open only while it is read: a folder may have more of them than a process may hold open."""

    def __init__(self, file: Path):
        """Reads its schema and the number of its rows.

        Raises:
            UserError: if it cannot be read, or has no column of images.
        """
        try:
            import pyarrow
            from pyarrow import parquet
        except ImportError:
            raise UserError("Parquet files need the package pyarrow: pip install pyarrow") from None
        self.path, self._open, self._errors = file, parquet.ParquetFile, (pyarrow.ArrowException, OSError)
        try:
            with self._open(file) as opened:
                self.schema, self.count = opened.schema_arrow, opened.metadata.num_rows
        except self._errors as e:
            raise self._unreadable(e) from e
        self.image = self._image_column(pyarrow.types)

    def _unreadable(self, error: Exception) -> UserError:
        return UserError(f"cannot read {self.path} as a Parquet file: {reason(error)}; fetch it again")

    def _image_column(self, types: Any) -> str:
        found = []
        for field in self.schema:
            is_struct = types.is_struct(field.type)
            inner = [field.type.field(i) for i in range(field.type.num_fields)] if is_struct else [field]
            names = {f.name for f in inner if types.is_binary(f.type) or types.is_large_binary(f.type)}
            if names & {"bytes", field.name}:
                found.append(field.name)
        likely = [name for name in found if name.lower() in ("image", "img", "jpg", "png")] or found
        if len(likely) != 1:
            raise UserError(
                f"{self.path} has {len(likely)} columns of images (structs with bytes) among its columns "
                f"{', '.join(self.schema.names)}: one named image is wanted"
            )
        return likely[0]

    def rows(self, columns: Sequence[str] = ()) -> Iterator[tuple[bytes, str, dict[str, Any]]]:
        """(encoded image, its path or '', other columns) of each row; b"" where there is no image.

        Raises:
            UserError: if the file is damaged.
        """
        for batch in self._batches([self.image, *columns]):
            for row in batch.to_pylist():
                image = row.pop(self.image)
                image = image if isinstance(image, dict) else {"bytes": image}
                yield image.get("bytes") or b"", image.get("path") or "", row

    def _batches(self, columns: Sequence[str]) -> Iterator[Any]:
        try:
            with self._open(self.path) as opened:
                yield from opened.iter_batches(AT_ONCE, columns=columns)
        except self._errors as e:
            raise self._unreadable(e) from e
