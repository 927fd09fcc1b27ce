"""The tables of all shards joined to the one that a single process would have written, and what they lack."""

import contextlib
import heapq
import itertools
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from lag.upscaling.results import (
    COLUMNS,
    FAILED,
    FAILED_COLUMNS,
    SAMPLES,
    SETTINGS,
    TABLE,
    difference,
    read_settings,
    result_rows,
    settings_text,
)
from lag.upscaling.shards import FOLDER, Shard, begun, owner
from lag.upscaling.sources import find_sources
from lag.upscaling.table_file import Row, decoded, encoded, lines_of
from libml.errors import UserError, printable
from libml.system.files import atomic_path, exists, local_copy, write_atomic
from libml.system.store_path import StorePath, absolute

SHOWN = 10  # pictures of which a line says what they lack
MISSING = "missing.csv"
MISSING_COLUMNS = ("source", "shard", "problem")
OF_SHARDS = ("input", SAMPLES)  # settings that a folder made by one process has not


class Lack(NamedTuple):
    """A picture whose results are not all there."""

    name: str
    shard: int
    problem: str
    failed: bool  # its shard could not make them; else it has not made them yet


def merge(source: Path, output: Path) -> list[Lack]:
    """Writes results.csv and settings.json of all shards, and shards/missing.csv, and says what is missing.

    Args:
        source: the folder of small pictures.
        output: the folder of results.

    Returns:
        The pictures whose results are not all there, sorted by their names.

    Raises:
        UserError: if there are no shards; if they are parts of different wholes; if a file is not this program's.
    """
    count, settings = _agreed(output, source)
    _check_ours(output)
    names = sorted(find_sources(source, output).names)
    with contextlib.ExitStack() as stack:
        places = {n: stack.enter_context(_tables(Shard(n, count).place(output))) for n in settings}
        rows = heapq.merge(*(_ordered(place / TABLE) for place in places.values()), key=_key)
        failed = {row["source"]: row["problem"] for place in places.values() for row in _failures(place / FAILED)}
        samples = max(recorded.get(SAMPLES, 1) for recorded in settings.values())
        judge = _Judge(output, count, set(settings), samples, failed)
        with atomic_path(output / TABLE) as temporary, temporary.open("wb") as file:
            file.writelines(encoded(COLUMNS, judge.passing(names, rows)))
    common = {k: v for k, v in next(iter(settings.values())).items() if k not in OF_SHARDS}
    write_atomic(output / SETTINGS, settings_text(common))
    lacks = ({"source": lack.name, "shard": str(lack.shard), "problem": lack.problem} for lack in judge.lacks)
    write_atomic(output / FOLDER / MISSING, b"".join(encoded(MISSING_COLUMNS, lacks)))
    _report(output, count, len(settings), len(names), judge)
    return judge.lacks


def _agreed(output: Path, source: Path) -> tuple[int, dict[int, dict[str, Any]]]:
    """How many shards there are to be, and the settings of those that have begun, by number.

    Raises:
        UserError: if there are none, or they do not agree.
    """
    listed = begun(output)
    if not listed:
        raise UserError(f"{output} holds no results of shards: make them with --shard=1/64, --shard=2/64 and so on")
    (first, agreed), count = next(iter(listed.items())), max(shard.total for shard in listed)
    if other := next((shard for shard in listed if shard.total != count), None):
        raise UserError(f"{output / FOLDER} holds shards of {other.total} and of {count}: remove those of one")
    asked = {n: read_settings(Shard(n, count).place(output) / SETTINGS) for n in range(1, count + 1)}
    settings = {n: recorded for n, recorded in asked.items() if recorded is not None}  # a listing may be late
    for n, recorded in settings.items():
        if differs := difference(agreed, recorded):
            raise UserError(f"shards {first} and {n}/{count} hold results of {differs}: --overwrite those of one")
    if (made_of := agreed.get("input")) != str(absolute(source)):
        raise UserError(f"the shards are of --input={made_of}, not of {source}")
    return count, settings


def _check_ours(output: Path) -> None:
    """Raises UserError for a file that a merged one would replace, and that another program has written."""
    read_settings(output / SETTINGS)
    if (table := output / TABLE).exists():
        with local_copy(table) as copy:
            next(decoded(table, COLUMNS, lines_of(copy)), None)


@contextlib.contextmanager
def _tables(place: Path) -> Iterator[Path]:
    """A shard's folder on the local disk."""
    with local_copy(place) if isinstance(place, StorePath) else contextlib.nullcontext(place) as folder:
        yield folder


def _failures(path: Path) -> Iterable[Row]:
    return decoded(path, FAILED_COLUMNS, lines_of(path)) if path.exists() else ()


def _key(row: Row) -> tuple[str, int]:
    return row["source"], int(row["place"])


def _ordered(path: Path) -> Iterator[Row]:
    """The rows of a shard's table.

    Raises:
        UserError: if somebody has changed their order.
    """
    last = ("", -1)
    for row in result_rows(path, lines_of(path)):
        if _key(row) <= last:
            raise UserError(f"{path} was changed: run its shard again, which writes it anew")
        last = _key(row)
        yield row


class _Judge:
    """Lets rows pass, and notes which pictures lack some."""

    def __init__(self, output: Path, count: int, begun_shards: set[int], samples: int, failed: dict[str, str]):
        self._output, self._count, self._samples, self._failed = output, count, samples, failed
        self._begun_shards = begun_shards
        self._on_disk = not isinstance(output, StorePath)  # asking a store for a million objects would take hours
        self.lacks: list[Lack] = []
        self.others = 0  # results of pictures that are no longer there

    def passing(self, names: list[str], rows: Iterator[Row]) -> Iterator[Row]:
        """The rows, both they and the names of pictures being sorted."""
        waiting = iter(names)
        name = next(waiting, None)
        for source, group in itertools.groupby(rows, key=lambda row: row["source"]):
            while name is not None and name < source:
                self._look(name, [])
                name = next(waiting, None)
            found = list(group)
            yield from found
            if name == source:
                self._look(source, found)
                name = next(waiting, None)
            else:
                self.others += len(found)
        while name is not None:
            self._look(name, [])
            name = next(waiting, None)

    def _look(self, name: str, rows: list[Row]) -> None:
        """Notes a picture if some of its results are missing."""
        shard = owner(name, self._count)
        there = {int(row["place"]): row["file"] for row in rows}
        lacking = [place for place in range(self._samples) if place not in there]
        gone = [there[p] for p in range(self._samples) if p in there and not self._is_there(there[p])]
        if name in self._failed:
            self.lacks.append(Lack(name, shard, self._failed[name], failed=True))
        elif lacking or gone:
            if shard not in self._begun_shards:
                problem = "its shard has not begun"
            elif gone:
                problem = f"{gone[0]} is not there"
            else:
                problem = f"{self._samples - len(lacking)} of {self._samples} results are there"
            self.lacks.append(Lack(name, shard, problem, failed=False))

    def _is_there(self, file: str) -> bool:
        return not self._on_disk or exists(self._output / file)


def _report(output: Path, count: int, begun_shards: int, pictures: int, judge: _Judge) -> None:
    """Prints what there is and what is missing, and which shards to run again."""
    lacks, failed = judge.lacks, sum(lack.failed for lack in judge.lacks)
    for lack in lacks[:SHOWN]:
        print(f"error: {printable(lack.name)}: {printable(lack.problem)} (shard {lack.shard}/{count})", file=sys.stderr)
    if len(lacks) > SHOWN:
        print(f"error: and {len(lacks) - SHOWN} further pictures", file=sys.stderr)
    print(f"{begun_shards} of {count} shards have begun")
    print(f"{pictures} pictures: {pictures - len(lacks)} complete, {failed} failed, {len(lacks) - failed} missing")
    if judge.others:
        print(f"{judge.others} results are of pictures that --input does not hold any more")
    print(f"wrote {output / TABLE}: a row for each result")
    print(f"wrote {output / FOLDER / MISSING}: a row for each picture that failed or is missing")
    if again := sorted({lack.shard for lack in lacks if not lack.failed}):  # what failed would fail again
        print(f"shards to run again: {','.join(map(str, again))}")
