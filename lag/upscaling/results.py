"""results.csv and settings.json: which results a folder holds, and what they were made from."""

import csv
import io
import json
import re
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from libml.errors import UserError
from libml.system import jsontext
from libml.system.files import exists, user_errors, write_atomic

TABLE, SETTINGS = "results.csv", "settings.json"
COLUMNS = ("source", "place", "sample", "file", "lores_rmse", "lores_max", "score", "treatment", "content")
NAMES = ("source", "file")  # columns of what users call their files
EARLIER = {"format": "png", "bits": 8}  # what holds where settings.json is older than these settings
MODEL_PATH = "model_path"  # a setting to be read by people
SECONDS = 10.0  # between writings of the table

Row = dict[str, str]
Key = tuple[str, int]  # source, place

# Spreadsheets take a cell that starts so for a formula. An apostrophe before it makes it text.
_FORMULA = re.compile(r"'*[=+\-@\t\r\n]")


class Table:
    """A row a result, of this and earlier runs of the same settings."""

    def __init__(self, folder: Path, settings: dict[str, Any], overwrite: bool):
        """Reads the folder's table and settings, and writes them anew.

        Raises:
            UserError: if they are not this program's; if they belong to other settings and may not be overwritten.
        """
        self.folder, self.path = folder, folder / TABLE
        recorded, rows = _read_settings(folder / SETTINGS), _read_rows(self.path)
        if recorded is None or _alike(recorded) != _alike(settings):
            if not overwrite and (recorded is not None or rows):
                raise UserError(
                    f"{folder} holds results of {_difference(recorded, settings)}: "
                    "choose another --output, or --overwrite them"
                )
            rows = []
        self.rows: dict[Key, Row] = {}
        self._owners: dict[str, Key] = {}  # file -> the row that it belongs to
        for row in rows:
            self._put(row)
        # Before the settings: no row of other settings may ever stand beside these.
        self.write()
        write_atomic(folder / SETTINGS, (json.dumps(settings, indent=2) + "\n").encode())

    def done(self, source: str, content: str, count: int) -> bool:
        """Whether the first `count` results of a source are there, and made from the same content."""
        rows = [self.rows.get((source, place)) for place in range(count)]
        return all(r and r["content"] == content and exists(self.folder / r["file"]) for r in rows)

    def in_the_way(self, source: str, content: str, files: Sequence[str]) -> dict[Key, Row]:
        """Rows of results that a source's results, `files`, would replace, but that were made from something else."""
        keys = [(source, place) for place in range(len(files))] + [self._owners.get(file) for file in files]
        found = {key: self.rows[key] for key in keys if key in self.rows}
        return {key: row for key, row in found.items() if (key[0], row["content"]) != (source, content)}

    def add(self, row: Row) -> None:
        """Adds or replaces a row; writes the table now and then."""
        self._put(row)
        if time.monotonic() - self._written > SECONDS:
            self.write()

    def beyond(self, source: str, count: int) -> dict[Key, Row]:
        """Rows of a source's results of further places than the first `count`."""
        return {key: row for key, row in self.rows.items() if key[0] == source and key[1] >= count}

    def forget(self, keys: Iterable[Key]) -> None:
        """Takes rows out of the table, on the disk too: their files may then be replaced."""
        if forgotten := [self.rows.pop(key) for key in keys]:
            for row in forgotten:
                self._owners.pop(row["file"], None)
            self.write()

    def write(self) -> None:
        """Writes the table."""
        text = io.StringIO()
        plain, quoted = (csv.writer(text, lineterminator="\n", quoting=q) for q in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL))
        plain.writerow(COLUMNS)
        for key in sorted(self.rows):
            row = {**self.rows[key], **{c: _as_text(self.rows[key][c]) for c in NAMES}}
            writer = quoted if "\r" in row["source"] else plain  # \r ends a line, and would not be quoted
            writer.writerow(row[c] for c in COLUMNS)
        write_atomic(self.path, text.getvalue().encode(errors="surrogateescape"))
        self._written = time.monotonic()

    def _put(self, row: Row) -> None:
        key = row["source"], int(row["place"])
        if key in self.rows:
            self._owners.pop(self.rows[key]["file"], None)
        self.rows[key] = row
        self._owners[row["file"]] = key


def _difference(recorded: dict | None, settings: dict[str, Any]) -> str:
    if recorded is None:
        return f"unknown settings ({SETTINGS} is missing)"
    if recorded.get(MODEL_PATH) and recorded["model"] != settings["model"]:  # a fingerprint tells nobody which it was
        recorded, settings = ({**s, "model": f"{s['model']} of {s.get(MODEL_PATH)}"} for s in (recorded, settings))
    settings = _alike(settings)
    differing = [f"{k} was {recorded.get(k)}, now {v}" for k, v in settings.items() if recorded.get(k) != v]
    return f"other settings ({'; '.join(differing)})"


def _alike(settings: dict[str, Any]) -> dict[str, Any]:
    """What of settings must be alike: not where the model lies."""
    return {k: v for k, v in settings.items() if k != MODEL_PATH}


def _not_ours(path: Path) -> UserError:
    return UserError(f"{path} was not written by this program: choose another --output, or move the file away")


def _read_settings(path: Path) -> dict | None:
    """The settings; None if there is no file.

    Raises:
        UserError: if it holds something else.
    """
    if (data := _read(path)) is None:
        return None
    try:
        recorded = jsontext.parse(data)
    except ValueError:
        raise _not_ours(path) from None
    if not (isinstance(recorded, dict) and "model" in recorded):
        raise _not_ours(path)
    return EARLIER | recorded


def _read_rows(path: Path) -> list[Row]:
    """The table's rows, without those that were cut off or changed by hand; none if there is no file.

    Raises:
        UserError: if it holds something else.
    """
    if (data := _read(path)) is None:
        return []
    text = data.decode(errors="surrogateescape")  # as names of files are
    try:
        table = csv.DictReader(io.StringIO(text, newline=""))
        if tuple(table.fieldnames or ()) != COLUMNS:
            raise _not_ours(path)
        rows = [row for row in table if set(row) == set(COLUMNS) and None not in row.values()]
    except csv.Error:
        raise _not_ours(path) from None
    for row in rows:
        row.update({c: _from_text(row[c]) for c in NAMES})
    return [row for row in rows if re.fullmatch("[0-9]{1,9}", row["place"])]


def _read(path: Path) -> bytes | None:
    with user_errors(path, "read"):
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None


def _as_text(name: str) -> str:
    return f"'{name}" if _FORMULA.match(name) else name


def _from_text(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell
