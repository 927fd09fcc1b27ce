"""The results of one picture file: what they are called, which of them are there, and what is in their way."""

import contextlib
import errno
import functools
import itertools
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from lag.upscaling.choosing import Options
from lag.upscaling.one_picture import Upscaler
from lag.upscaling.picture_file import Picture
from lag.upscaling.result_kinds import KINDS
from lag.upscaling.results import Table
from libml.errors import UserError
from libml.system.files import discard, user_errors, write_atomic
from libml.system.store_path import StorePath

_FOREIGN = "{} is there, and was not written by this program: choose another --output, or --overwrite it"
MOST_UNASKED = 1 << 26  # pixels of all results of a picture; more take long, and are made when they are asked for


class BadPictureError(Exception):
    """A picture that could not be upscaled; the others may be all right."""


@contextlib.contextmanager
def picture_errors() -> Iterator[None]:
    """Turns what can go wrong with one picture into a BadPictureError."""
    try:
        yield
    except (UserError, MemoryError) as e:
        raise BadPictureError(str(e).splitlines()[0] if str(e) else "out of memory") from e


def result_file(stem: Path, place: int, options: Options) -> Path:
    """File of a result within the output."""
    return stem.with_name(f"{stem.name}_{place}{KINDS[options.format].suffix}")


def grid_file(stem: Path) -> Path:
    """File of a picture's grid within the output."""
    return stem.with_name(f"{stem.name}_grid.png")


def files_of(stem: Path, options: Options) -> list[Path]:
    """All files that a picture is to have within the output."""
    return [result_file(stem, place, options) for place in range(options.samples)] + [grid_file(stem)] * options.grid


def threads_for(folder: Path) -> int:
    """How many threads read or write below a folder: a store answers each of them late."""
    return 16 if isinstance(folder, StorePath) else 4


def refuse_foreign(output: Path, stems: Iterable[Path], options: Options) -> None:
    """Refuses files that have the names of results in a folder that holds no results yet.

    Args:
        output: the folder.
        stems: of the results, folder by folder.
        options: how they are made.

    Raises:
        UserError: naming the first.
    """
    names_in = functools.lru_cache(64)(_names_in)  # one listing a folder, though there were a million results
    for parent, group in itertools.groupby(stems, key=lambda stem: stem.parent):
        there = names_in(output / parent)
        if foreign := next((file for stem in group for file in files_of(stem, options) if file.name in there), None):
            raise UserError(_FOREIGN.format(output / foreign))


def _names_in(folder: Path) -> set[str]:
    with user_errors(folder, "read"):
        if isinstance(folder, StorePath):
            return {path.name for path in folder.iterdir()}
        try:
            return set(os.listdir(folder))
        except (FileNotFoundError, NotADirectoryError):
            return set()


def is_done(table: Table, name: str, stem: Path, picture: Picture, options: Options) -> bool:
    """Whether all results of a picture are there, and their grid if wanted."""
    if not table.done(name, picture.content, options.samples):
        return False
    if not options.grid:
        return True
    try:
        results = [table.folder / table.rows[name, place]["file"] for place in range(options.samples)]
        # The grid's time is asked last: a store that does not know a file's time says when it was asked.
        times = [result.stat().st_mtime_ns for result in results]
        return max(times) <= (table.folder / grid_file(stem)).stat().st_mtime_ns  # or it shows earlier results
    except OSError:
        return False


def check_size(model: Upscaler, picture: Picture, options: Options) -> None:
    """Refuses results that are larger than somebody may have meant.

    Raises:
        BadPictureError: saying how large they would be.
    """
    h, w, _ = picture.pixels.shape
    pixels = model.scale**2 * h * w * options.samples
    if pixels > MOST_UNASKED and not options.large:
        raise BadPictureError(
            f"its {options.samples} results would have {model.scale * w} x {model.scale * h} pixels, "
            f"{pixels / 1e6:.0f} million in all: --yes makes them, --samples makes fewer"
        )


def clear_the_way(table: Table, name: str, stem: Path, picture: Picture, options: Options) -> None:
    """Makes sure that neither results of another picture nor others' files are replaced, but with --overwrite.

    Raises:
        BadPictureError: if there are some.
    """
    files = [str(result_file(stem, place, options)) for place in range(options.samples)]
    grid = [str(grid_file(stem))] if options.grid and (name, 0) not in table.rows else []
    if not options.overwrite and (stranger := table.stranger(files + grid)):
        raise BadPictureError(_FOREIGN.format(table.folder / stranger))
    others = table.in_the_way(name, picture.content, files)
    if others and not options.overwrite:
        row = next(iter(others.values()))
        raise BadPictureError(
            f"{table.folder / row['file']} is a result of another picture ({row['source']}): "
            "choose another --output, or --overwrite it"
        )
    table.forget(others)


def remove_beyond(table: Table, name: str, stem: Path, options: Options) -> None:
    """Removes the results that a picture has beyond options.samples, if they have the names that this run gives."""
    files = {key: str(result_file(stem, key[1], options)) for key in table.beyond(name, options.samples)}
    mine = [key for key, file in files.items() if table.rows[key]["file"] == file]
    table.forget(mine)
    for key in mine:
        discard(table.folder / files[key])


def write_result(path: Path, encoded: bytes) -> None:
    """Writes a picture.

    Raises:
        BadPictureError: if its name is too long for the file system.
        UserError: if the file system refuses otherwise.
    """
    try:
        write_atomic(path, encoded)
    except UserError as e:
        if isinstance(e.__cause__, OSError) and e.__cause__.errno == errno.ENAMETOOLONG:
            raise BadPictureError(f"the file system takes no name as long as that of its result, {path.name}") from e
        raise
