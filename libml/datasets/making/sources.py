"""The files that a dataset was made of.

NAME-sources.jsonl says what became of each, a line a file, in the order of their records. The manifest has the
fingerprint of their names and contents. Sets made by older programs have neither.
"""

import dataclasses
import hashlib
import json
import os
import stat
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from libml.errors import UserError
from libml.system import jsontext
from libml.system.files import user_errors
from libml.system.store_path import to_path

FINGERPRINT = "fingerprint"  # of the manifest


class Content(NamedTuple):
    """What a file holds."""

    size: int  # bytes
    hash: str  # hexadecimal; empty if it cannot be read


@dataclasses.dataclass(frozen=True)
class Source:
    """A file, and what became of it."""

    path: str  # below the folder
    content: Content
    split: str = ""  # which has its record; none has if it is empty
    digest: str = ""  # of its pixels, hexadecimal
    report: tuple[str, str] | None = None  # kind and reason of what is special about it

    @property
    def is_unusable(self) -> bool:
        """Whether it could not be read."""
        return self.report is not None and self.report[0] == "unusable"


def place(data_dir: Path, name: str) -> Path:
    """The file that lists a dataset's sources."""
    return to_path(data_dir) / f"{name}-sources.jsonl"


def content_of(path: Path) -> Content:
    """A file's size and hash; of what is no regular file, or cannot be read, nothing."""
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            return Content(0, "")
        with path.open("rb") as file:
            made = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16))
        return Content(status.st_size, made.hexdigest())
    except OSError:
        return Content(0, "")


def fingerprint(contents: Mapping[str, Content]) -> str:
    """Of files' names and contents, whatever their order."""
    lines = sorted(json.dumps([path, *content]) for path, content in contents.items())
    return hashlib.blake2b("\n".join(lines).encode(), digest_size=16).hexdigest()


def write(data_dir: Path, name: str, sources: Iterable[Source]) -> None:
    """Writes the list."""
    with place(data_dir, name).open("w", encoding="ascii") as file:
        for source in sources:
            file.write(json.dumps(dataclasses.asdict(source)) + "\n")


def load(data_dir: Path, name: str, manifest: Mapping[str, Any]) -> dict[str, Source] | None:
    """Path -> source of a dataset, in the order of the records; None if its program kept no list.

    Raises:
        UserError: if the list is not the one that the manifest was written with.
    """
    if FINGERPRINT not in manifest:
        return None
    file, found = place(data_dir, name), {}
    with user_errors(file, "read"):
        text = file.read_text() if file.exists() else ""
    try:
        for line in text.splitlines():
            value = jsontext.parse(line)
            report = tuple(value["report"]) if value["report"] else None
            made = Source(value["path"], Content(*value["content"]), value["split"], value["digest"], report)
            found[made.path] = made
    except (ValueError, KeyError, TypeError, AttributeError):
        found = {}
    counts = Counter(source.split for source in found.values() if source.split)
    whole = not counts or all(entry["images"] == counts[split] for split, entry in manifest["splits"].items())
    if not whole or fingerprint({path: source.content for path, source in found.items()}) != manifest[FINGERPRINT]:
        raise UserError(f"{file} is missing or damaged: make the dataset again with --overwrite")
    return found


class Difference(NamedTuple):
    """How a folder differs from the files that a dataset was made of."""

    new: list[str]
    gone: list[str]
    changed: list[str]


def difference(known: Mapping[str, Source], root: Path, paths: Iterable[str]) -> Difference:
    """Compares names, then the contents of the files that both have: these are read, not decoded."""
    paths = set(paths)
    new, gone = sorted(paths - known.keys()), sorted(known.keys() - paths)
    changed = [path for path in sorted(paths & known.keys()) if content_of(root / path) != known[path].content]
    return Difference(new, gone, changed)
