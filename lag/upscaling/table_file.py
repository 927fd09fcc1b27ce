"""Tables of results as CSV files: any name of a file goes in and comes out, and none is a formula to a spreadsheet."""

import csv
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from libml.errors import UserError
from libml.system.files import user_errors

NAMES = ("source", "file", "problem")  # columns of what users call their files, and of what is said of these
BLOCK = 1 << 16  # bytes

Row = dict[str, str]

# Spreadsheets take a cell that starts so for a formula. An apostrophe before it makes it text.
_FORMULA = re.compile(r"'*[=+\-@\t\r\n]")


def not_ours(path: Path) -> UserError:
    """Says that a file stays."""
    return UserError(f"{path} was not written by this program: choose another --output, or move the file away")


class _Line:
    """What csv writes into: writerow returns the line."""

    def write(self, text: str) -> str:
        return text


def encoded(columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> Iterator[bytes]:
    """The lines of a table, that of the columns' names first."""
    plain, quoted = (csv.writer(_Line(), lineterminator="\n", quoting=q) for q in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL))
    yield _encode(plain.writerow(columns))
    for row in rows:
        writer = quoted if "\r" in row["source"] else plain  # \r ends a line, and would not be quoted
        yield _encode(writer.writerow(_as_text(row[c]) if c in NAMES else row[c] for c in columns))


def _encode(line: str) -> bytes:
    return line.encode(errors="surrogateescape")  # as names of files are


def decoded(path: Path, columns: Sequence[str], lines: Iterable[bytes]) -> Iterator[Row]:
    """The rows of a table, without those that were cut off or changed by hand.

    Args:
        path: of the file.
        columns: their names.
        lines: of the file, each with its end.

    Raises:
        UserError: if it holds something else.
    """
    table = csv.DictReader(line.decode(errors="surrogateescape") for line in lines)
    try:
        if tuple(table.fieldnames or ()) != tuple(columns):
            raise not_ours(path)
        for row in table:
            if set(row) == set(columns) and None not in row.values():
                yield {c: _from_text(text) if c in NAMES else text for c, text in row.items()}
    except csv.Error:
        raise not_ours(path) from None


def lines_of(path: Path) -> Iterator[bytes]:
    """The lines of a local file, each with its end. The file is not kept open: a thousand tables are read at once.

    Raises:
        UserError: if it cannot be read, or is replaced meanwhile.
    """
    offset, rest, before = 0, b"", None
    while True:
        with user_errors(path, "read"), path.open("rb") as file:
            now = os.fstat(file.fileno())
            file.seek(offset)
            block = file.read(BLOCK)
        if before and (before.st_ino, before.st_mtime_ns) != (now.st_ino, now.st_mtime_ns):
            raise UserError(f"{path} was written meanwhile: read it when its shard has ended")
        offset, before = offset + len(block), now
        *whole, rest = (rest + block).split(b"\n")
        yield from (line + b"\n" for line in whole)
        if not block:
            if rest:
                yield rest
            return


def _as_text(name: str) -> str:
    return f"'{name}" if _FORMULA.match(name) else name


def _from_text(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell
