"""The paper's figures, from a trained run: labelled grids of images [N, H, W, C] in [-1, 1]."""

from pathlib import Path

import numpy as np

from lag.figures.inputs import Inputs
from lag.sampling import Sampler
from lag.trained import TrainedGenerator, load_trained
from libml import rng
from libml.page import Figure
from libml.sampler import candidate_stds, candidates_figure
from libml.training.checkpoint import list_checkpoints
from libml.training.run_folder import RunFolder
from libml.training.schedule import KIMG


def _center(sampler: Sampler, lores: np.ndarray) -> np.ndarray:
    """The images at z = 0."""
    return sampler(lores, np.zeros([*lores.shape[:3], sampler.generator.noise_dim], np.float32))


def candidates(sampler: Sampler, inputs: Inputs, columns: int, seed: int, title: str) -> Figure:
    """Paper figures 1 to 4, and 6 for inputs of another dataset: samples whose noise rises from 0 to 1."""
    return candidates_figure(
        sampler, inputs.hires, inputs.downscaler, candidate_stds(columns), seed, inputs.indices, title
    )


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
