"""Finding a run by what a user calls it."""

import difflib
import glob
import os
from collections.abc import Iterator
from pathlib import Path

from libml.errors import UserError, did_you_mean
from libml.system.store_path import StorePath, to_path
from libml.training.run_folder import RunFolder

RUNS = "experiments"  # where runs lie unless something else is said
DEPTH = 5  # folders below one that is searched; a run is three below --train_dir
SHOWN = 3


def find_run(text: str, absent: str = "no run folder") -> Path:
    """The folder of a run.

    Args:
        text: the folder; one above exactly one run; a pattern such as 'experiments/*/*/LAG_*' for exactly one; the last
            word of the folder, as --name gave it, of a run in ./experiments; or such a word in another folder, as
            quickstart/runs/faces.
        absent: the words of the message "TEXT is ..." where there is no such run.

    Raises:
        UserError: if it stands for no run, or for several.
    """
    path = to_path(text)
    if text and _is_run(path):
        return path
    others = []  # runs among which one of that name was looked for
    if not text:
        found = []
    elif path.is_dir():
        if is_export(path):
            above = f": its run is {path.parent}" if _is_run(path.parent) else ""
            raise UserError(f"{text} is an export and no run folder{above}")
        found = list(runs_below(path))
    elif glob.has_magic(text) and isinstance(path, Path):
        found = [run for match in sorted(glob.glob(text)) for run in runs_below(Path(match))]
    else:
        above = path.parent if len(path.parts) > 1 else Path(RUNS)
        near = len(above.resolve().parts) > 2  # not the whole disk
        others = list(runs_below(above)) if near else []
        found = [run for run in others if run.name == path.name]
    if len(found) == 1:
        return found[0]
    if not found:
        raise UserError(f"{text or repr(text)} is {absent}: {_why_none(text, path)}{_near(path, others)}")
    shown = ", ".join(map(str, found[:SHOWN])) + (", ..." if len(found) > SHOWN else "")
    raise UserError(f"{text} stands for {len(found)} runs: name one of {shown}")


def _why_none(text: str, path: Path) -> str:
    if not text:
        return "give a run's folder or name"
    if path.is_file():
        return "it is a file"
    if path.is_dir():
        return "it has no args/args.json, nor has one below"
    if glob.has_magic(text):
        return "no run fits that pattern"
    return "it is not there, nor is a run called so" + ("; name one run a flag" if "," in text else "")


def _near(path: Path, others: list[Path]) -> str:
    """'; did you mean faces?', of a run whose name is nearly that of a path; '' if there is none."""
    names = {run.name: run for run in others}
    near = difflib.get_close_matches(path.name, names, n=1)
    return did_you_mean([name if len(path.parts) == 1 else str(names[name]) for name in near])


def find_model(text: str) -> Path:
    """The path of an export or an ONNX file as it is, else as find_run; what is neither is left to who opens it.

    Raises:
        UserError: if it stands for several runs.
    """
    path = to_path(text)
    if path.is_file() or path.suffix == ".onnx" or (path.is_dir() and (is_export(path) or not any(runs_below(path)))):
        return path
    return find_run(text, "neither a run folder nor an export")


def is_export(path: Path) -> bool:
    """Whether a folder looks like an export."""
    return (path / "model.json").is_file()


def runs_below(folder: Path, depth: int = DEPTH) -> Iterator[Path]:
    """Runs in a folder and below it, sorted; itself, if it is one. Hidden folders are passed over."""
    if _is_run(folder):
        yield folder
    elif depth:
        for below in _folders(folder):
            yield from runs_below(below, depth - 1)


def _is_run(folder: Path) -> bool:
    try:
        return RunFolder(folder).is_run()
    except OSError:  # it may not be looked into
        return False


def _folders(folder: Path) -> list[Path]:
    try:
        if isinstance(folder, StorePath):
            return [path for path in folder.iterdir() if not path.name.startswith(".") and not path.is_file()]
        with os.scandir(folder) as entries:
            return sorted(Path(e.path) for e in entries if not e.name.startswith(".") and os.path.isdir(e.path))
    except OSError:
        return []
