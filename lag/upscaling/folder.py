"""Upscaling of files and folders. Threads read pictures before, and write results after, the model runs."""

import contextlib
import functools
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import tqdm

from lag.upscaling import shards
from lag.upscaling.choosing import Options, choose
from lag.upscaling.file_results import (
    BadPictureError,
    check_size,
    clear_the_way,
    grid_file,
    is_done,
    picture_errors,
    refuse_foreign,
    remove_beyond,
    result_file,
    threads_for,
    write_result,
)
from lag.upscaling.grid import Grid
from lag.upscaling.one_picture import Result, Upscaler, at_once, calls, upscale
from lag.upscaling.picture_file import Picture, encode_result, read_picture, read_small_picture
from lag.upscaling.result_kinds import KINDS
from lag.upscaling.results import COLUMNS, SAMPLES, SETTINGS, TABLE, Table
from lag.upscaling.shards import Shard
from lag.upscaling.sources import Sources, find_sources
from libml.errors import printable
from libml.images import encode_png
from libml.system.background import Behind, each_ahead
from libml.system.counting import Counting
from libml.system.store_path import absolute

if TYPE_CHECKING:  # it imports TensorFlow
    from lag.trained import TrainedCritic

READ_AHEAD = 1 << 18  # pixels: a larger picture is read when its turn comes
MOST_WAITING = 1 << 26  # bytes of results that wait until they are written

# A picture and whether its results are there, or why there is none; None: not read yet.
Looked = tuple[Picture, bool] | BadPictureError | None


def upscale_all(
    model: Upscaler,
    critic: "TrainedCritic | None",
    source: Path,
    output: Path,
    options: Options,
    shard: Shard | None = None,
) -> int:
    """Upscales a file, or every picture of a folder and its subfolders. A bad one is reported and passed over.

    Args:
        model: the generator.
        critic: for options.choose, else None.
        source: a file or a folder.
        output: folder for the results, results.csv and settings.json.
        options: how.
        shard: which part of the pictures to take; None for all.

    Returns:
        How many files failed.

    Raises:
        UserError: if there is nothing to do, the output holds what is not this program's, or the results cannot be
            written.
    """
    sources = find_sources(source, output, shard.owns if shard else None)
    settings, place = options.settings(model), None
    if shard:
        print(f"shard {shard}: {len(sources.names)} of {sources.found} pictures", flush=True)
        settings |= {"input": str(absolute(source)), SAMPLES: options.samples}
        place = shard.place(output)
    beside = shards.Beside(output, shard, settings, options.overwrite)
    beside.check()
    if not options.overwrite and not any(((place or output) / name).exists() for name in (TABLE, SETTINGS)):
        refuse_foreign(output, map(sources.stem, sources.names), options)
    with shards.held(output, shard) as check:
        table = Table(output, settings, options.overwrite, place, check)
        beside.check_again()
        run = _Run(model, critic, sources, table, options)
        try:
            run.all()
        finally:
            table.write()
    run.report(rate=shard is not None)
    return run.counts["failed"]


class _Run:
    """Pictures of a folder on their way: `look` runs in threads before, what Behind is given in threads after."""

    def __init__(
        self, model: Upscaler, critic: "TrainedCritic | None", sources: Sources, table: Table, options: Options
    ):
        self.model = model._replace(generate=self._generate)
        self._bare, self.critic, self.sources, self.table, self.options = model, critic, sources, table, options
        self.counts: Counter[str] = Counter()
        self.treatments: Counter[str] = Counter()
        self.seconds = self.model_seconds = 0.0

    def all(self) -> None:
        """Upscales all pictures."""
        names, began = self.sources.names, time.monotonic()
        reading = each_ahead(self.look, names, threads_for(self.sources.root))
        with reading as looked, Behind(threads_for(self.table.folder), MOST_WAITING) as self.behind:
            disable = len(names) == 1 or None  # where there is no terminal, either
            with tqdm.tqdm(total=len(names), unit="file", leave=False, disable=disable) as bar:
                for name, found in zip(names, looked, strict=True):
                    self.take(name, found)
                    bar.update()
        self.seconds = time.monotonic() - began

    def report(self, rate: bool) -> None:
        """Says what was done."""
        print(", ".join(f"{self.counts[c]} {c}" for c in ("upscaled", "done before", "failed")))
        if rate and self.counts["upscaled"]:
            share = 100 * self.model_seconds / self.seconds
            print(f"{self.counts['upscaled'] / self.seconds:.1f} pictures/s; the model ran {share:.0f} % of the time")
        if self.counts["upscaled"]:
            print(f"wrote {self.table.path}: a row for each result")
        for treatment, count in sorted(self.treatments.items()):
            print(f"{count} {treatment}")
        if self.options.consistent and not KINDS[self.options.format].lossless:
            keeping = ", ".join(name for name, kind in KINDS.items() if kind.lossless)
            print(f"--format={self.options.format} changes pixels, so box means are a little off; {keeping} keep them")

    def look(self, name: str) -> Looked:
        """Reads a picture, unless it is large."""
        path = self.sources.root / name
        try:
            with picture_errors():
                picture = read_small_picture(path, self.model.colors, self.model.scale, READ_AHEAD)
        except BadPictureError as e:
            return e
        return picture and (picture, self._is_done(name, picture))

    def take(self, name: str, looked: Looked) -> None:
        """Upscales a picture that was looked at, if it has to be."""
        try:
            if isinstance(looked, BadPictureError):
                raise looked
            picture, done = looked or self._look_whole(name)
            if done:
                self.counts["done before"] += 1
            else:
                self._upscale(name, picture)
        except BadPictureError as e:
            self._fail(name, e)

    def _look_whole(self, name: str) -> tuple[Picture, bool]:
        with picture_errors():
            picture = read_picture(self.sources.root / name, self.model.colors, self.model.scale)
        return picture, self._is_done(name, picture)

    def _is_done(self, name: str, picture: Picture) -> bool:
        return not self.options.overwrite and is_done(self.table, name, self.sources.stem(name), picture, self.options)

    def _generate(self, lores: np.ndarray, z: np.ndarray) -> np.ndarray:
        began = time.monotonic()
        try:
            return self._bare.generate(lores, z)
        finally:
            self.model_seconds += time.monotonic() - began

    def _fail(self, name: str, problem: BadPictureError) -> None:
        tqdm.tqdm.write(f"error: {self.sources.root / name}: {problem}", sys.stderr)
        self.table.failed[name] = str(problem)
        self.counts["failed"] += 1

    def _upscale(self, name: str, picture: Picture) -> None:
        """Makes the results of a picture, and has them written, then their grid if wanted.

        Raises:
            BadPictureError: if it cannot be ranked, or held in memory; if results of another picture are in the way.
            UserError: if results, though of another picture, cannot be written.
        """
        options, stem = self.options, self.sources.stem(name)
        check_size(self.model, picture, options)
        clear_the_way(self.table, name, stem, picture, options)
        with picture_errors():
            canvas = Grid(picture, options.samples, self.model.scale) if options.grid else None
            chosen, scores = choose(self.model, self.critic, picture, options)
        work, places = _Work(name, stem, picture, canvas, []), self._lacking(name, stem, picture, chosen)
        with tile_progress(self.model, self.sources.root / name, picture, options, len(places)) as tile_done:
            how = (options.noise, options.seed, options.tile, options.consistent, options.bits, tile_done)
            made = upscale(self.model, picture, [chosen[place] for place in places], *how)
            written = [
                self._make_one(work, made, place, chosen[place], scores[place]) for place in places if not work.problems
            ]
        grid = functools.partial(_write_grid, self.table.folder / grid_file(stem), canvas, written)
        size = picture.pixels.nbytes + (canvas.pixels.nbytes if canvas else 0)
        self.behind.put(grid, size, functools.partial(self._finish, work))

    def _lacking(self, name: str, stem: Path, picture: Picture, chosen: Sequence[int]) -> list[int]:
        """The places of the results to make: not those that a stopped run has made, unless a grid is to show them.

        Of results that come from the same calls of the generator all are made, or none: so none depends on the stop.
        """
        if self.options.grid or self.options.overwrite:
            return list(range(len(chosen)))
        files = [str(result_file(stem, place, self.options)) for place in range(len(chosen))]
        lacking = [
            not self.table.has(name, picture.content, place, sample, files[place])
            for place, sample in enumerate(chosen)
        ]
        height, width, _ = picture.pixels.shape
        step = at_once(self.model, height, width, self.options.tile)
        return [place for place in range(len(chosen)) if any(lacking[place // step * step :][:step])]

    def _make_one(self, work: "_Work", made: Iterator[Result], place: int, sample: int, score: str) -> Future:
        """Makes the next result, and has it written; its row follows when it is."""
        picture = work.picture
        with picture_errors():
            result = next(made)
            if work.canvas:
                work.canvas.put(place + 1, result.pixels)
        file = result_file(work.stem, place, self.options)
        errors = f"{result.lores_rmse:.4f}", f"{result.lores_max:.4f}"
        values = (work.name, place, sample, file, *errors, score, picture.treatment, picture.content)
        row = dict(zip(COLUMNS, map(str, values), strict=True))
        how = (picture.alpha, self.model.scale, self.options.format)
        job = functools.partial(_write, self.table.folder / file, result.pixels, *how)
        return self.behind.put(job, result.pixels.nbytes, functools.partial(self._written, work, row))

    def _written(self, work: "_Work", row: dict[str, str], problem: BadPictureError | None) -> None:
        if problem:
            work.problems.append(problem)
        else:
            self.table.add(row)

    def _finish(self, work: "_Work", problem: BadPictureError | None) -> None:
        """Counts a picture whose results were written, or could not be."""
        if problem:
            work.problems.append(problem)
        if work.problems:
            self._fail(work.name, work.problems[0])
            return
        if self.options.overwrite:  # an earlier run may have made more samples
            remove_beyond(self.table, work.name, work.stem, self.options)
        self.counts["upscaled"] += 1
        self.treatments.update(work.picture.remarks)


class _Work(NamedTuple):
    """A picture whose results are being made and written."""

    name: str
    stem: Path
    picture: Picture
    canvas: Grid | None
    problems: list[BadPictureError]  # of writing


def _write(path: Path, pixels: np.ndarray, alpha: np.ndarray | None, scale: int, form: str) -> BadPictureError | None:
    try:
        with picture_errors():
            encoded = encode_result(pixels, alpha, scale, form)
        write_result(path, encoded)
    except BadPictureError as e:
        return e
    return None


def _write_grid(path: Path, canvas: Grid | None, written: list[Future]) -> BadPictureError | None:
    """Writes a grid after the results that it shows, if these could be written."""
    wait(written)
    if canvas is None or any(result.exception() or result.result() for result in written):
        return None
    try:
        with picture_errors():
            png = encode_png(canvas.pixels)
        write_result(path, png)
    except BadPictureError as e:
        return e
    return None


@contextlib.contextmanager
def tile_progress(
    model: Upscaler, path: Path, picture: Picture, options: Options, count: int
) -> Iterator[Callable[[], object]]:
    """Of a picture that takes more than one tile: its results' size in a line, then how many tiles are made.

    Args:
        model: the generator.
        path: of the picture.
        picture: the small one.
        options: how it is upscaled.
        count: of the results to make, which may be less than options.samples.

    Yields:
        What to call after each tile.
    """
    h, w, _ = picture.pixels.shape
    total = calls(model, h, w, count, options.tile)
    if total == 1 or max(h, w) <= options.tile:
        yield lambda: None
        return
    size = f"{w} x {h} to {model.scale * w} x {model.scale * h} pixels"
    results = f"{options.samples} result{'s' if options.samples > 1 else ''}"
    results = results if count == options.samples else f"{count} of {results}"
    name = printable(path.name)
    tqdm.tqdm.write(f"{name}: {size}, {results}, {total} tiles", sys.stderr)
    with Counting(name, total, "tile") as counting:
        counting.turn_to(name[-30:])  # what fits beside a bar
        yield counting.advance
