"""Upscaling of files and folders: names of results, what is done already, the table of results."""

import csv
import dataclasses
import io
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tqdm

from lag import ranking
from lag.pictures import SUFFIXES, Picture, enlarge_alpha, read_picture
from lag.upscale import Model, at_once, sample_noise, upscale
from libml.errors import UserError
from libml.files import write_atomic
from libml.images import encode_png, grid, to_uint8

TABLE, SETTINGS = "results.csv", "settings.json"
COLUMNS = ("source", "place", "sample", "file", "lores_rmse", "lores_max", "score", "treatment", "content")
TABLE_SECONDS = 10.0  # between writings of the table
GRID_COLUMNS = 9

Row = dict[str, str]


@dataclasses.dataclass(frozen=True)
class Options:
    """How pictures are upscaled."""

    samples: int = 4  # how many results a picture
    noise: float = 1.0
    seed: int = 0
    consistent: bool = False
    tile: int = 64
    choose: str = ""  # best or diverse: choose the results among `of` samples
    of: int = 0
    grid: bool = False
    overwrite: bool = False

    def settings(self, model: Model) -> dict[str, Any]:
        """What two results must have in common to lie in one folder."""
        chosen = {k: getattr(self, k) for k in ("noise", "seed", "consistent", "choose", "of")}
        return {"model": model.fingerprint, **chosen}


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
    found, output = [], output.resolve()
    for folder, subfolders, names in os.walk(source):
        subfolders[:] = [s for s in subfolders if not s.startswith(".") and (Path(folder) / s).resolve() != output]
        found += [Path(folder) / n for n in names if not n.startswith(".") and Path(n).suffix.lower() in SUFFIXES]
    if not found:
        raise UserError(f"--input={source} holds no pictures ({' '.join(SUFFIXES)})")
    return sorted(found)


def result_stems(sources: Sequence[Path], root: Path) -> dict[Path, Path]:
    """Source -> its results' path within the output, without the sample's number.

    That is the source's path without its suffix; where two sources differ in nothing else, with it.
    """
    relative = {s: s.relative_to(root) for s in sources}
    count = Counter(r.with_suffix("") for r in relative.values())
    return {s: r.with_suffix("") if count[r.with_suffix("")] == 1 else r for s, r in relative.items()}


class Table:
    """results.csv: a row a result, of this and earlier runs of the same settings."""

    def __init__(self, folder: Path, settings: dict[str, Any], overwrite: bool):
        """Reads the table.

        Raises:
            UserError: if it belongs to other settings and may not be overwritten.
        """
        self.path, self.rows, self._written = folder / TABLE, {}, time.monotonic()
        recorded = _read_settings(folder / SETTINGS)
        if recorded is not None and recorded != settings and not overwrite:
            differing = [f"{k} was {recorded.get(k)}, now {v}" for k, v in settings.items() if recorded.get(k) != v]
            raise UserError(
                f"{folder} holds results of other settings ({'; '.join(differing)}): "
                "choose another --output, or --overwrite them"
            )
        if recorded == settings and self.path.exists():
            text = self.path.read_bytes().decode(errors="surrogateescape")  # as names of files are
            for row in csv.DictReader(io.StringIO(text, newline="")):
                if set(row) == set(COLUMNS) and None not in row.values() and row["place"].isdigit():
                    self.rows[row["source"], int(row["place"])] = row
        write_atomic(folder / SETTINGS, (json.dumps(settings, indent=2) + "\n").encode())

    def done(self, source: str, content: str, count: int) -> bool:
        """Whether the first `count` results of a source are there, and made from the same content."""
        rows = [self.rows.get((source, place)) for place in range(count)]
        return all(r and r["content"] == content and (self.path.parent / r["file"]).exists() for r in rows)

    def add(self, row: Row) -> None:
        """Adds or replaces a row; writes the table now and then."""
        self.rows[row["source"], int(row["place"])] = row
        if time.monotonic() - self._written > TABLE_SECONDS:
            self.write()

    def write(self) -> None:
        """Writes the table."""
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows[key] for key in sorted(self.rows))
        write_atomic(self.path, text.getvalue().encode(errors="surrogateescape"))
        self._written = time.monotonic()


def _read_settings(path: Path) -> dict | None:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None


def choose(
    model: Model, critic: ranking.Critic | None, picture: Picture, options: Options
) -> tuple[list[int], list[str]]:
    """Which samples of a picture to keep, in order, and their scores as text.

    Raises:
        UserError: if the picture is too large to be ranked.
    """
    if critic is None:
        return list(range(options.samples)), [""] * options.samples
    h, w, _ = picture.pixels.shape
    if max(h, w) > options.tile:
        raise UserError(f"ranking looks at a picture in one piece: {w} x {h} needs --tile={max(h, w)}")
    scores, latents = [], []
    step = at_once(model, h, w, options.tile)
    for chunk in (range(i, min(i + step, options.of)) for i in range(0, options.of, step)):
        z = sample_noise(picture, model, chunk, options.noise, options.seed)
        lores = picture.lores(model.colors).repeat(len(chunk), axis=0)
        latent = critic.project(model.generate(lores, z), lores)
        scores.append(critic.scores(latent))
        latents.append(latent)
    scores = np.concatenate(scores)
    if options.choose == "best":
        chosen = ranking.best(scores, options.samples)
    else:
        chosen = ranking.diverse(np.concatenate(latents), options.samples)
    return chosen, [f"{scores[i]:.6g}" for i in chosen]


class BadPictureError(Exception):
    """A picture that could not be upscaled; the others may be all right."""


def results_of(
    model: Model, critic: ranking.Critic | None, path: Path, name: Path, stem: Path, options: Options, table: Table
) -> Iterator[tuple[Path, bytes, Row | None]]:
    """The results of one picture file, one after the other, then their grid if wanted; nothing if all are there.

    Yields:
        (path within the output, PNG, row of the table; None for the grid).

    Raises:
        BadPictureError: if it cannot be read, ranked, or held in memory.
    """
    try:
        picture = read_picture(path, model.colors, model.scale)
        if not options.overwrite and is_done(table, name, stem, picture, options):
            return
        chosen, scores = choose(model, critic, picture, options)
        alpha = None if picture.alpha is None else enlarge_alpha(picture.alpha, model.scale)
        made = upscale(model, picture, chosen, options.noise, options.seed, options.tile, options.consistent)
        shown = []
        for place, (sample, score, result) in enumerate(zip(chosen, scores, made, strict=True)):
            file = stem.with_name(f"{stem.name}_{place}.png")
            pixels = result.pixels if alpha is None else np.concatenate([result.pixels, alpha[..., None]], axis=-1)
            errors = f"{result.lores_rmse:.4f}", f"{result.lores_max:.4f}"
            values = (name, place, sample, file, *errors, score, picture.treatment, picture.content)
            yield file, encode_png(pixels), dict(zip(COLUMNS, map(str, values), strict=True))
            if options.grid:
                shown.append(result.pixels)
        if options.grid:
            yield grid_name(stem), encode_png(_grid(picture, shown, model.scale)), None
    except (UserError, tf.errors.OpError, MemoryError) as e:
        raise BadPictureError(str(e).splitlines()[0] if str(e) else "out of memory") from e


def is_done(table: Table, name: Path, stem: Path, picture: Picture, options: Options) -> bool:
    """Whether all results of a picture are there."""
    if options.grid and not (table.path.parent / grid_name(stem)).exists():
        return False
    return table.done(str(name), picture.content, options.samples)


def grid_name(stem: Path) -> Path:
    """File of a picture's grid within the output."""
    return stem.with_name(f"{stem.name}_grid.png")


def _grid(picture: Picture, shown: Sequence[np.ndarray], scale: int) -> np.ndarray:
    """The small picture, its pixels enlarged, then the results: uint8 [H, W, C]."""
    pixelated = to_uint8(picture.pixels / 127.5 - 1).repeat(scale, axis=0).repeat(scale, axis=1)
    cells = np.stack([pixelated, *shown])
    columns = min(len(cells), GRID_COLUMNS)
    blank = np.full([-len(cells) % columns, *cells.shape[1:]], 255, np.uint8)
    return grid(np.concatenate([cells, blank]).reshape(-1, columns, *cells.shape[1:]))


def upscale_all(model: Model, critic: ranking.Critic | None, source: Path, output: Path, options: Options) -> int:
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
        UserError: if there is nothing to do, or the results cannot be written.
    """
    sources = find_pictures(source, output)
    root = source if source.is_dir() else source.parent
    stems = result_stems(sources, root)
    table = Table(output, options.settings(model), options.overwrite)
    counts, treatments = Counter(), Counter()
    try:
        for path in tqdm.tqdm(sources, unit="file", disable=None):
            written = []
            try:
                for file, png, row in results_of(
                    model, critic, path, path.relative_to(root), stems[path], options, table
                ):
                    write_atomic(output / file, png)
                    if row:
                        table.add(row)
                        written.append(row)
            except BadPictureError as e:
                tqdm.tqdm.write(f"error: {path}: {e}", sys.stderr)
                counts["failed"] += 1
            else:
                counts["upscaled" if written else "done before"] += 1
                treatments.update(row["treatment"] for row in written[:1])
    finally:
        table.write()
    print(", ".join(f"{counts[c]} {c}" for c in ("upscaled", "done before", "failed")) + f"; see {table.path}")
    for treatment, count in sorted(treatments.items()):
        if treatment:
            print(f"{count} with {treatment}")
    return counts["failed"]
