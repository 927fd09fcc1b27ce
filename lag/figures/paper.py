"""The paper's figures, from a trained run: labelled grids of images [N, H, W, C] in [-1, 1]."""

from pathlib import Path

import numpy as np

from lag.any_method import load_any
from lag.figures.inputs import Inputs
from libml import rng
from libml.page import Figure
from libml.sampler import CandidateSampler, candidate_stds, candidates_figure
from libml.system.store_path import to_path
from libml.training.checkpoint import list_checkpoints
from libml.training.run_folder import RunFolder
from libml.training.schedule import KIMG


def _center(sampler: CandidateSampler, lores: np.ndarray) -> np.ndarray:
    """The images at z = 0."""
    shapes = sampler.noise_shapes(*lores.shape[1:3])
    return sampler(lores, *(np.zeros([len(lores), *shape], np.float32) for shape in shapes))


def candidates(sampler: CandidateSampler, inputs: Inputs, columns: int, seed: int, title: str) -> Figure:
    """Paper figures 1 to 4, and 6 for inputs of another dataset: samples whose noise rises from 0 to 1."""
    stds = candidate_stds(columns if sampler.stochastic else 1)
    return candidates_figure(sampler, inputs.hires, inputs.downscaler, stds, seed, inputs.indices, title)


def mirror(sampler: CandidateSampler, inputs: Inputs, columns: int, title: str) -> Figure:
    """Paper figure 5: inputs blended, at full size, from an image to its mirror image; z = 0."""
    rows, parts = [], np.linspace(0, 1, columns, dtype=np.float32)
    for index, hires in zip(inputs.indices, inputs.hires, strict=True):
        blended = np.stack([(1 - t) * hires + t * hires[:, ::-1] for t in parts])
        lores = inputs.downscaled(blended)
        rows.append((f"#{index} input", list(inputs.pixelated(lores))))
        rows.append(("z = 0", list(_center(sampler, lores))))
    labels = [f"{t:.0%}" for t in parts]
    return Figure(title, ["original", *labels[1:-1], "mirrored"] if columns > 1 else ["original"], rows)


def noise(sampler: CandidateSampler, inputs: Inputs, columns: int, seed: int, title: str) -> Figure:
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
    for nimg, _ in list_checkpoints(RunFolder(to_path(run)).checkpoints):
        sampler = load_any(run, nimg).sampler(batch)
        shown = {0.0: "z = 0", 1.0: "z ~ N"} if sampler.stochastic else {0.0: "image"}
        made.append(sampler.candidates(lores, tuple(shown), seed, inputs.indices))
        columns += [f"{nimg / KIMG:g}k {what}" for what in shown.values()]
    images = np.concatenate([inputs.hires[:, None], inputs.pixelated(lores)[:, None], *made], axis=1)
    rows = [(f"#{index}", list(row)) for index, row in zip(inputs.indices, images, strict=True)]
    return Figure(title, columns, rows)
