"""Upscaling of files and folders: names of results, and what is done already."""

import contextlib
import errno
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import tqdm

from lag.upscaling.choosing import Options, choose
from lag.upscaling.grid import Grid
from lag.upscaling.one_picture import Upscaler, calls, upscale
from lag.upscaling.picture_file import Picture, encode_result, read_picture
from lag.upscaling.result_kinds import KINDS
from lag.upscaling.results import COLUMNS, SETTINGS, TABLE, Table
from libml.datasets.making.pictures import SUFFIXES
from libml.errors import UserError, printable
from libml.images import encode_png
from libml.system.files import discard, is_there, write_atomic
from libml.system.store_path import StorePath

if TYPE_CHECKING:  # it imports TensorFlow
    from lag.trained import TrainedCritic

MOST_UNASKED = 1 << 26  # pixels of all results of a picture; more take long, and are made when they are asked for


def find_pictures(source: Path, output: Path) -> list[Path]:
    """The pictures of a folder and its subfolders, sorted; those in `output` and hidden ones aside. Or the file.

    Raises:
        UserError: if there is none.
    """
    if source.is_file():
        return [source]
    if not source.is_dir():
        raise UserError(f"--input={source} does not exist")
    if source.resolve() == output.resolve():
        raise UserError("--output is the folder of --input, whose pictures would mix with the results: choose another")
    found = _below(source, output.resolve())
    if not found:
        raise UserError(f"--input={source} holds no pictures ({' '.join(SUFFIXES)})")
    return sorted(found)


def _below(source: Path, output: Path) -> list[Path]:
    if isinstance(source, StorePath):
        visible = [p for p in source.walk() if not any(w.startswith(".") for w in p.relative_to(source).parts)]
        return [path for path in visible if path.suffix.lower() in SUFFIXES and output not in path.parents]
    found = []
    for folder, subfolders, names in os.walk(source):
        subfolders[:] = [s for s in subfolders if not s.startswith(".") and (Path(folder) / s).resolve() != output]
        found += [Path(folder) / n for n in names if not n.startswith(".") and Path(n).suffix.lower() in SUFFIXES]
    return found


def result_stems(sources: Sequence[Path], root: Path) -> dict[Path, Path]:
    """Source -> its results' path within the output, without the sample's number.

    That is the source's path without its suffix; with it, where another's would be the same.
    """
    relative = {s: s.relative_to(root) for s in sources}
    stems = {s: r.with_suffix("") for s, r in relative.items()}
    while True:
        count = Counter(stems.values())
        clashing = {s: r for s, r in relative.items() if count[stems[s]] > 1 and stems[s] != r}
        if not clashing:
            return stems
        stems.update(clashing)


def result_file(stem: Path, place: int, options: Options) -> Path:
    """File of a result within the output."""
    return stem.with_name(f"{stem.name}_{place}{KINDS[options.format].suffix}")


def grid_file(stem: Path) -> Path:
    """File of a picture's grid within the output."""
    return stem.with_name(f"{stem.name}_grid.png")


def refuse_foreign(output: Path, stems: Iterable[Path], options: Options) -> None:
    """Refuses files that have the names of results in a folder that holds no results yet.

    Raises:
        UserError: naming the first.
    """
    for stem in stems:
        names = [result_file(stem, place, options) for place in range(options.samples)]
        for file in names + [grid_file(stem)] * options.grid:
            if is_there(output / file):
                raise UserError(
                    f"{output / file} is there, and was not written by this program: "
                    "choose another --output, or --overwrite it"
                )


class BadPictureError(Exception):
    """A picture that could not be upscaled; the others may be all right."""


@contextlib.contextmanager
def picture_errors() -> Iterator[None]:
    """Turns what can go wrong with one picture into a BadPictureError."""
    try:
        yield
    except (UserError, MemoryError) as e:
        raise BadPictureError(str(e).splitlines()[0] if str(e) else "out of memory") from e


def upscale_one(
    model: Upscaler, critic: "TrainedCritic | None", path: Path, name: Path, stem: Path, options: Options, table: Table
) -> tuple[str, ...] | None:
    """Writes the results of one picture file, each as soon as it is made, then their grid if wanted.

    Args:
        model, critic, options: as for upscale_all.
        path: the file.
        name: what the table calls it.
        stem: of its results, within the output.
        table: of the output.

    Returns:
        What was done to it and is to be said of the run; None if all results were there.

    Raises:
        BadPictureError: if it cannot be read, ranked, or held in memory; if its results cannot have their names, or
            those of another picture are in the way.
        UserError: if the results cannot be written.
    """
    with picture_errors():
        picture = read_picture(path, model.colors, model.scale)
    if not options.overwrite and is_done(table, name, stem, picture, options):
        return None
    check_size(model, picture, options)
    clear_the_way(table, name, stem, picture, options)
    with picture_errors():
        canvas = Grid(picture, options.samples, model.scale) if options.grid else None
        chosen, scores = choose(model, critic, picture, options)
    with tile_progress(model, path, picture, options) as tile_done:
        _write_results(model, picture, options, table, name, stem, canvas, chosen, scores, tile_done)
    if options.overwrite:  # an earlier run may have made more samples
        remove_beyond(table, name, stem, options)
    if canvas:
        with picture_errors():
            png = encode_png(canvas.pixels)
        write_result(table.folder / grid_file(stem), png)
    return picture.remarks


def remove_beyond(table: Table, name: Path, stem: Path, options: Options) -> None:
    """Removes the results that a picture has beyond options.samples, if they have the names that this run gives."""
    files = {key: str(result_file(stem, key[1], options)) for key in table.beyond(str(name), options.samples)}
    mine = [key for key, file in files.items() if table.rows[key]["file"] == file]
    table.forget(mine)
    for key in mine:
        discard(table.folder / files[key])


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


@contextlib.contextmanager
def tile_progress(model: Upscaler, path: Path, picture: Picture, options: Options) -> Iterator[Callable[[], object]]:
    """Of a picture that takes more than one tile: its results' size in a line, then a bar of its tiles.

    Yields:
        What to call after each tile.
    """
    h, w, _ = picture.pixels.shape
    total = calls(model, h, w, options.samples, options.tile)
    if total == 1 or max(h, w) <= options.tile:
        yield lambda: None
        return
    size = f"{w} x {h} to {model.scale * w} x {model.scale * h} pixels"
    tqdm.tqdm.write(f"{path}: {size}, {options.samples} results, {total} tiles in all", sys.stderr)
    with tqdm.tqdm(total=total, desc=printable(path.name)[-30:], unit="tile", leave=False, disable=None) as bar:
        yield bar.update


def _write_results(model, picture, options, table, name, stem, canvas, chosen, scores, tile_done) -> None:
    """Makes the chosen samples; writes each with its row, and into the canvas."""
    how = (options.noise, options.seed, options.tile, options.consistent, options.bits, tile_done)
    made = upscale(model, picture, chosen, *how)
    for place, (sample, score) in enumerate(zip(chosen, scores, strict=True)):
        with picture_errors():
            result = next(made)
            encoded = encode_result(result.pixels, picture.alpha, model.scale, options.format)
            if canvas:
                canvas.put(place + 1, result.pixels)
        file = result_file(stem, place, options)
        errors = f"{result.lores_rmse:.4f}", f"{result.lores_max:.4f}"
        values = (name, place, sample, file, *errors, score, picture.treatment, picture.content)
        del result  # before the next one is made
        write_result(table.folder / file, encoded)
        table.add(dict(zip(COLUMNS, map(str, values), strict=True)))


def is_done(table: Table, name: Path, stem: Path, picture: Picture, options: Options) -> bool:
    """Whether all results of a picture are there, and their grid if wanted."""
    if not table.done(str(name), picture.content, options.samples):
        return False
    if not options.grid:
        return True
    try:
        results = [table.folder / table.rows[str(name), place]["file"] for place in range(options.samples)]
        shown = (table.folder / grid_file(stem)).stat().st_mtime_ns
        return all(result.stat().st_mtime_ns <= shown for result in results)  # or it shows earlier results
    except OSError:
        return False


def clear_the_way(table: Table, name: Path, stem: Path, picture: Picture, options: Options) -> None:
    """Makes sure that no results of another picture are replaced, but with --overwrite.

    Raises:
        BadPictureError: if there are some.
    """
    files = [str(result_file(stem, place, options)) for place in range(options.samples)]
    others = table.in_the_way(str(name), picture.content, files)
    if others and not options.overwrite:
        row = next(iter(others.values()))
        raise BadPictureError(
            f"{table.folder / row['file']} is a result of another picture ({row['source']}): "
            "choose another --output, or --overwrite it"
        )
    table.forget(others)


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


def upscale_all(model: Upscaler, critic: "TrainedCritic | None", source: Path, output: Path, options: Options) -> int:
    """Upscales a file, or every picture of a folder and its subfolders. A bad one is reported and passed over.

    Args:
        model: the generator.
        critic: for options.choose, else None.
        source: a file or a folder.
        output: folder for the results, results.csv and settings.json.
        options: how.

    Returns:
        How many files failed.

    Raises:
        UserError: if there is nothing to do, the output holds what is not this program's, or the results cannot be
            written.
    """
    sources = find_pictures(source, output)
    root = source if source.is_dir() else source.parent
    stems = result_stems(sources, root)
    if not options.overwrite and not any((output / name).exists() for name in (TABLE, SETTINGS)):
        refuse_foreign(output, stems.values(), options)
    table = Table(output, options.settings(model), options.overwrite)
    counts: Counter[str] = Counter()
    treatments: Counter[str] = Counter()
    try:
        for path in tqdm.tqdm(sources, unit="file", disable=None):
            try:
                said = upscale_one(model, critic, path, path.relative_to(root), stems[path], options, table)
            except BadPictureError as e:
                tqdm.tqdm.write(f"error: {path}: {e}", sys.stderr)
                counts["failed"] += 1
            else:
                counts["done before" if said is None else "upscaled"] += 1
                treatments.update(said or ())
    finally:
        table.write()
    print(", ".join(f"{counts[c]} {c}" for c in ("upscaled", "done before", "failed")))
    print(f"wrote {table.path}: a row for each result")
    for treatment, count in sorted(treatments.items()):
        print(f"{count} {treatment}")
    return counts["failed"]
