"""The tables beside upscaled pictures, settings.json and results.csv, spoilt."""

from pathlib import Path
from random import Random

from tests.fuzzing.damage import spoil, spoil_file, spoil_json
from tests.fuzzing.places import bring
from tests.fuzzing.trial import Trial

TABLES = ("out/settings.json", "out/results.csv")


def _trial(chance: Random, box: Path) -> Trial:
    (box / "out" / "mine.txt").write_bytes(b"mine")
    args = ("--model=export", "--input=pictures", "--output=out", "--samples=2")
    if chance.randrange(3) == 0:
        overwrite = ("--overwrite", *(("--noise=0.5",) if chance.randrange(2) else ()))
        return Trial("scripts/upscale.py", args + overwrite, may_add=("out/*",), may_change=(*TABLES, "out/*.png"))
    args += chance.choice(((), (), ("--grid",), ("--noise=0.5",)))
    # Results are made again where the table no longer says that they are there.
    return Trial("scripts/upscale.py", args, may_add=("out/*",), may_change=(*TABLES, "out/*_?.png", "out/*_grid.png"))


def settings(chance: Random, box: Path, kit: Path) -> Trial:
    """Spoilt settings."""
    bring(kit, box, "export", "pictures", "out")
    path = box / "out" / "settings.json"
    path.write_bytes(spoil_json(chance, path.read_text()))
    if chance.randrange(10) == 0:
        spoil_file(chance, path)
    return _trial(chance, box)


CELLS = (
    "",
    "x",
    "-1",
    "0",
    "²",
    "1e9",
    "../../x",
    "/etc/passwd",
    "a\0b",
    "é",
    "\udcff",
    "9" * 5000,
    '"',
    "a,b",
    "\r",
    "=1+1",
    ".",
    "mine.txt",
)


def results(chance: Random, box: Path, kit: Path) -> Trial:
    """A spoilt table."""
    bring(kit, box, "export", "pictures", "out")
    path = box / "out" / "results.csv"
    rows = [line.split(",") for line in path.read_text().splitlines()]
    way = chance.randrange(10)
    if way < 3:
        path.write_bytes(spoil(chance, path.read_bytes()))
    elif way == 3:
        spoil_file(chance, path)
    elif way == 4:
        path.write_bytes(
            chance.choice(
                (b"a" * 200_000, b'"' + b"a" * 200_000, b"\n" * 1000, b"a,b\n1,2\n", b"\0", path.read_bytes() + b"x\n")
            )
        )
    else:
        for _ in range(chance.choice((1, 1, 3))):
            row = chance.choice(rows)
            if row:
                row[chance.randrange(len(row))] = chance.choice(CELLS)
            if chance.randrange(5) == 0:
                row.append("more")
            elif row and chance.randrange(5) == 0:
                row.pop()
        text = "".join(",".join(row) + "\n" for row in rows)
        path.write_bytes(text.encode(errors="surrogateescape"))
    return _trial(chance, box)
