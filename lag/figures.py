"""The paper's figures, from a trained run: labelled grids of images [N, H, W, C] in [-1, 1]."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from PIL import Image, ImageDraw, ImageFont

from lag.sampling import Sampler, TrainedGenerator, load_trained
from libml import rng
from libml.candidates import candidate_stds
from libml.checkpoint import list_checkpoints
from libml.images import to_uint8
from libml.layers import DOWNSCALERS, upscale2d
from libml.run_folder import RunFolder
from libml.schedule import KIMG

SMALLEST_CELL = 96  # pixels; smaller images are shown with larger pixels
MARGIN = 8
INK, PAPER = (20, 20, 20), (255, 255, 255)

LabelledRow = tuple[str, list[np.ndarray]]  # label, images [H, W, C]


class Figure(NamedTuple):
    """A grid of images of one size with a label for each row and column."""

    title: str
    columns: list[str]
    rows: list[LabelledRow]


class Inputs(NamedTuple):
    """The test images that a figure starts from."""

    hires: np.ndarray  # [N, H, W, C]
    indices: Sequence[int]  # their numbers, which their noise depends on
    downscaler: str
    scale: int

    def downscaled(self, hires: np.ndarray) -> np.ndarray:
        """[N, H, W, C] -> [N, h, w, C]."""
        return DOWNSCALERS[self.downscaler](tf.constant(hires, tf.float32), self.scale).numpy()

    def pixelated(self, lores: np.ndarray) -> np.ndarray:
        """[N, h, w, C] -> [N, H, W, C], each pixel repeated."""
        return upscale2d(tf.constant(lores), self.scale).numpy()


def _center(sampler: Sampler, lores: np.ndarray) -> np.ndarray:
    """The images at z = 0."""
    return sampler(lores, np.zeros([*lores.shape[:3], sampler.generator.noise_dim], np.float32))


def candidates(sampler: Sampler, inputs: Inputs, columns: int, seed: int, title: str) -> Figure:
    """Paper figures 1 to 4, and 6 for inputs of another dataset: samples whose noise rises from 0 to 1."""
    stds = candidate_stds(columns)
    lores = inputs.downscaled(inputs.hires)
    pixelated = inputs.pixelated(lores)
    made = sampler.candidates(lores, stds, seed, inputs.indices)
    rows = [
        (f"#{index}", [hires, small, *images])
        for index, hires, small, images in zip(inputs.indices, inputs.hires, pixelated, made, strict=True)
    ]
    labels = ["z = 0" if std == 0 else f"std {std:.2f}" for std in stds]
    return Figure(title, ["original", "input", *labels], rows)


def mirror(sampler: Sampler, inputs: Inputs, columns: int, title: str) -> Figure:
    """Paper figure 5: inputs blended, at full size, from an image to its mirror image; z = 0."""
    rows, parts = [], np.linspace(0, 1, columns, dtype=np.float32)
    for index, hires in zip(inputs.indices, inputs.hires, strict=True):
        blended = np.stack([(1 - t) * hires + t * hires[:, ::-1] for t in parts])
        lores = inputs.downscaled(blended)
        rows.append((f"#{index} input", list(inputs.pixelated(lores))))
        rows.append(("z = 0", list(_center(sampler, lores))))
    labels = [f"{t:.0%}" for t in parts]
    return Figure(title, ["original", *labels[1:-1], "mirrored"] if columns > 1 else ["original"], rows)


def noise(sampler: Sampler, inputs: Inputs, columns: int, seed: int, title: str) -> Figure:
    """Paper figure 7: inputs blended from an image to uniform noise in each pixel; z = 0."""
    rows, parts = [], np.linspace(0, 1, columns, dtype=np.float32)
    lores = inputs.downscaled(inputs.hires)
    for index, clean in zip(inputs.indices, lores, strict=True):
        grain = 2 * rng.uniform(clean.shape, rng.key(seed, "figure noise"), index).numpy() - 1
        noisy = np.stack([(1 - t) * clean + t * grain for t in parts])
        rows.append((f"#{index} input", list(inputs.pixelated(noisy))))
        rows.append(("z = 0", list(_center(sampler, noisy))))
    return Figure(title, [f"{t:.0%} noise" for t in parts], rows)


def progress(run: str | Path, inputs: Inputs, seed: int, batch: int, title: str) -> Figure:
    """The same inputs and the same noise at every checkpoint that the run still has."""
    lores = inputs.downscaled(inputs.hires)
    columns, made = ["original", "input"], []
    for nimg, _ in list_checkpoints(RunFolder(Path(run)).checkpoints):
        trained: TrainedGenerator = load_trained(run, nimg)
        made.append(trained.sampler(batch).candidates(lores, (0.0, 1.0), seed, inputs.indices))
        columns += [f"{nimg / KIMG:g}k z = 0", f"{nimg / KIMG:g}k z ~ N"]
    images = np.concatenate([inputs.hires[:, None], inputs.pixelated(lores)[:, None], *made], axis=1)
    rows = [(f"#{index}", list(row)) for index, row in zip(inputs.indices, images, strict=True)]
    return Figure(title, columns, rows)


def draw(figure: Figure) -> np.ndarray:
    """The figure as a picture, uint8 [H, W, 3]."""
    side = figure.rows[0][1][0].shape[1]
    zoom = -(-SMALLEST_CELL // side)
    cell = zoom * side
    font = ImageFont.load_default(size=max(13, min(cell // 7, 32)))
    text = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    line = font.getbbox("Ag")[3] + MARGIN
    left = MARGIN + max(int(text.textlength(label, font)) for label, _ in figure.rows) + MARGIN
    column = max(cell, *(int(text.textlength(label, font)) + 4 for label in figure.columns)) + 2
    heights = [zoom * images[0].shape[0] + 2 for _, images in figure.rows]
    top = 2 * line + MARGIN
    title_width = int(text.textlength(figure.title, font)) + 2 * MARGIN
    width = max(left + column * len(figure.columns) + MARGIN, title_width)
    page = Image.new("RGB", (width, top + sum(heights) + MARGIN), PAPER)
    pen = ImageDraw.Draw(page)
    pen.text((MARGIN, MARGIN // 2), figure.title, INK, font)
    for i, label in enumerate(figure.columns):
        pen.text((left + i * column + cell / 2, line + MARGIN // 2), label, INK, font, anchor="ma")
    y = top
    for (label, images), height in zip(figure.rows, heights, strict=True):
        pen.text((MARGIN, y + height / 2), label, INK, font, anchor="lm")
        for i, image in enumerate(images):
            pixels = to_uint8(image).repeat(zoom, axis=0).repeat(zoom, axis=1)
            pixels = pixels.repeat(3, axis=-1) if pixels.shape[-1] == 1 else pixels
            page.paste(Image.fromarray(pixels), (left + i * column, y))
        y += height
    return np.array(page)
