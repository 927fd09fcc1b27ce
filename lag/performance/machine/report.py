"""The report of a machine: report.md to read and paste, report.json for programs."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lag.performance.machine import words
from libml.system.files import write_atomic


class Outcome(NamedTuple):
    """What came of a part."""

    name: str
    title: str
    rows: list[dict[str, Any]]
    failures: list[str]  # one line each, of what could not run
    seconds: float


def judged(outcomes: Sequence[Outcome]) -> list[str]:
    """What is wrong, in words: what could not run, then what the rows say."""
    failures = [f"{part.title}: {line}" for part in outcomes for line in part.failures]
    return failures + words.wrong({part.name: part.rows for part in outcomes})


def write(outcomes: Sequence[Outcome], command: str, folder: Path) -> None:
    """Writes both files, each whole or not at all.

    Raises:
        UserError: if the file system refuses.
    """
    found = {"command": command, "wrong": judged(outcomes), "parts": [part._asdict() for part in outcomes]}
    write_atomic(folder / "report.json", (json.dumps(found, indent=2) + "\n").encode())
    write_atomic(folder / "report.md", markdown(outcomes, command).encode())


def markdown(outcomes: Sequence[Outcome], command: str) -> str:
    """The report as a page: what is wrong, then a table for each part."""
    lines = ["# A machine", "", f"`{command}`", "", "## What is wrong", ""]
    lines += [f"- {sentence}" for sentence in judged(outcomes)] or ["Nothing."]
    for part in outcomes:
        lines += [
            "",
            f"## {part.title}",
            "",
            *(table(part.rows) or ["Nothing was measured."]),
            "",
            f"{part.seconds:.0f} s.",
        ]
    return "\n".join(lines) + "\n"


def table(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Lines of a table with a column for each name that a row has."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    if not names:
        return []
    shown = [[cell(row.get(name)) for name in names] for row in rows]
    return [_line(names), _line(["---"] * len(names)), *map(_line, shown)]


def cell(value: Any) -> str:
    """A value as a table shows it."""
    if isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return " to ".join(map(cell, value))
    return "" if value is None else str(value).replace("|", "/")


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
