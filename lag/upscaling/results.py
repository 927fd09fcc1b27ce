"""results.csv and settings.json: which results a folder holds, and what they were made from."""

import io
import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from lag.upscaling.table_file import Row, decoded, encoded, not_ours
from libml.errors import UserError
from libml.system import jsontext
from libml.system.files import exists, user_errors, write_atomic
from libml.system.store_path import StorePath

TABLE, SETTINGS = "results.csv", "settings.json"
COLUMNS = ("source", "place", "sample", "file", "lores_rmse", "lores_max", "score", "treatment", "content")
FAILED = "failed.csv"  # of a shard: the pictures of which it could not make results
FAILED_COLUMNS = ("source", "problem")
EARLIER = {"format": "png", "bits": 8}  # what holds where settings.json is older than these settings
MODEL_PATH, SAMPLES = "model_path", "samples"  # settings to be read by people, and by who merges shards
SECONDS = 10.0  # between writings of the table
MOST_TIME = 0.05  # share of the time that writing it may take
NEAR = 600.0  # seconds between the table and a result that a stopped run wrote last, without a row: more than enough

Key = tuple[str, int]  # source, place


class Table:
    """A row a result, of this and earlier runs of the same settings."""

    def __init__(
        self,
        folder: Path,
        settings: dict[str, Any],
        overwrite: bool,
        place: Path | None = None,
        check: Callable[[], object] = lambda: None,
    ):
        """Reads the folder's table and settings, and writes them anew.

        Args:
            folder: of the results.
            settings: what two results must have in common to lie in it.
            overwrite: whether results of other settings may be replaced.
            place: where the table of a shard lies, and that of what failed.
            check: called before the table is written; raises if another process may be writing it.

        Raises:
            UserError: if they are not this program's; if they belong to other settings and may not be overwritten.
        """
        self.folder, self._place, self._check = folder, place or folder, check
        self.path, self._is_shard = self._place / TABLE, place is not None
        recorded, rows = read_settings(self._place / SETTINGS), _read_rows(self.path)
        if recorded is None or _alike(recorded) != _alike(settings):
            if not overwrite and (recorded is not None or rows):
                raise UserError(
                    f"{self._place} holds results of {difference(recorded, settings)}: "
                    "choose another --output, or --overwrite them"
                )
            rows = []
        self.rows: dict[Key, Row] = {}
        self.failed: dict[str, str] = {}  # source -> problem, in this run
        self._owners: dict[str, Key] = {}  # file -> the row that it belongs to
        self._places = 0  # more than the place of any row
        self._stopped = modified(self.path)  # when an earlier run last wrote the table
        for row in rows:
            self._put(row)
        # Before the settings: no row of other settings may ever stand beside these.
        self.write()
        write_atomic(self._place / SETTINGS, settings_text(settings))

    def done(self, source: str, content: str, count: int) -> bool:
        """Whether the first `count` results of a source are there, and made from the same content."""
        rows = [self.rows.get((source, place)) for place in range(count)]
        return all(r and r["content"] == content and exists(self.folder / r["file"]) for r in rows)

    def has(self, source: str, content: str, place: int, sample: int, file: str) -> bool:
        """Whether a file is there and, by its row, a sample of a source's content."""
        row = self.rows.get((source, place), {})
        same = [row.get(name) for name in ("content", "sample", "file")] == [content, str(sample), file]
        return same and exists(self.folder / file)

    def in_the_way(self, source: str, content: str, files: Sequence[str]) -> dict[Key, Row]:
        """Rows of results that a source's results, `files`, would replace, but that were made from something else."""
        keys = [(source, place) for place in range(len(files))] + [self._owners.get(file) for file in files]
        found = {key: self.rows[key] for key in keys if key in self.rows}
        return {key: row for key, row in found.items() if (key[0], row["content"]) != (source, content)}

    def stranger(self, files: Iterable[str]) -> str | None:
        """The first of these files that is there, but that no run has written as far as one can tell.

        A run that was killed may have written files that have no row yet: only shortly before or after the table. A
        store does not tell when a file was written.
        """
        for file in files:
            written = None if file in self._owners else modified(self.folder / file)
            if written and self._stopped and abs(written - self._stopped) > NEAR:
                return file
        return None

    def add(self, row: Row) -> None:
        """Adds or replaces a row; writes the table now and then."""
        self._put(row)
        if time.monotonic() >= self._next:
            self.write()

    def beyond(self, source: str, count: int) -> dict[Key, Row]:
        """Rows of a source's results of further places than the first `count`."""
        keys = [(source, place) for place in range(count, self._places)]
        return {key: self.rows[key] for key in keys if key in self.rows}

    def forget(self, keys: Iterable[Key]) -> None:
        """Takes rows out of the table, on the disk too: their files may then be replaced."""
        if forgotten := [self.rows.pop(key) for key in keys]:
            for row in forgotten:
                self._owners.pop(row["file"], None)
            self.write()

    def write(self) -> None:
        """Writes the table, and of a shard that of what failed."""
        began = time.monotonic()
        self._check()
        write_atomic(self.path, b"".join(encoded(COLUMNS, (self.rows[key] for key in sorted(self.rows)))))
        if self._is_shard:
            failed = ({"source": source, "problem": problem} for source, problem in sorted(self.failed.items()))
            write_atomic(self._place / FAILED, b"".join(encoded(FAILED_COLUMNS, failed)))
        ended = time.monotonic()
        self._next = ended + max(SECONDS, (ended - began) / MOST_TIME)

    def _put(self, row: Row) -> None:
        key = row["source"], int(row["place"])
        if key in self.rows:
            self._owners.pop(self.rows[key]["file"], None)
        self.rows[key] = row
        self._owners[row["file"]] = key
        self._places = max(self._places, key[1] + 1)


def modified(path: Path) -> float | None:
    """When a file was last written, in seconds; None if it is not there, or on a store."""
    if isinstance(path, StorePath):
        return None
    try:
        return path.stat().st_mtime
    except OSError:
        return None


def difference(recorded: dict[str, Any] | None, settings: dict[str, Any]) -> str:
    """In which settings results differ; '' if they may lie in one folder."""
    if recorded is None:
        return f"unknown settings ({SETTINGS} is missing)"
    if _alike(recorded) == _alike(settings):
        return ""
    if recorded.get(MODEL_PATH) and recorded["model"] != settings["model"]:  # a fingerprint tells nobody which it was
        recorded, settings = ({**s, "model": f"{s['model']} of {s.get(MODEL_PATH)}"} for s in (recorded, settings))
    settings = _alike(settings)
    differing = [f"{k} was {recorded.get(k)}, now {v}" for k, v in settings.items() if recorded.get(k) != v]
    return f"other settings ({'; '.join(differing)})"


def _alike(settings: dict[str, Any]) -> dict[str, Any]:
    """What of settings must be alike: not where the model lies, nor how many results a picture was to have."""
    return {k: v for k, v in settings.items() if k not in (MODEL_PATH, SAMPLES)}


def settings_text(settings: dict[str, Any]) -> bytes:
    """The contents of settings.json."""
    return (json.dumps(settings, indent=2) + "\n").encode()


def read_settings(path: Path) -> dict[str, Any] | None:
    """The settings; None if there is no file.

    Raises:
        UserError: if it holds something else.
    """
    if (data := _read(path)) is None:
        return None
    try:
        recorded = jsontext.parse(data)
    except ValueError:
        raise not_ours(path) from None
    if not (isinstance(recorded, dict) and "model" in recorded):
        raise not_ours(path)
    return recorded | EARLIER | recorded  # in their own order


def _read_rows(path: Path) -> list[Row]:
    data = _read(path)
    return [] if data is None else list(result_rows(path, io.BytesIO(data)))


def result_rows(path: Path, lines: Iterable[bytes]) -> Iterator[Row]:
    """The rows of results.csv.

    Raises:
        UserError: if it holds something else.
    """
    return (row for row in decoded(path, COLUMNS, lines) if re.fullmatch("[0-9]{1,9}", row["place"]))


def _read(path: Path) -> bytes | None:
    with user_errors(path, "read"):
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None
