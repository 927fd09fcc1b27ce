"""Which noise looks best: found by an evaluation, kept in the run's folder for upscaling and exports."""

import json
from collections.abc import Sequence

from lag.evaluation.evaluate import Row
from lag.evaluation.methods import LoadedRun
from libml.errors import UserError
from libml.system.files import write_atomic
from libml.system.store_path import to_path
from libml.training.run_folder import RunFolder

LEAST_IMAGES = 16  # that a noise is recommended from; docs/evaluation.md has what fewer of them lead to


def best_noise(rows: Sequence[Row], label: str) -> float | None:
    """The strength of noise above 0 at which a method's images are nearest to true ones (SWD); the weaker of two equal.

    None if fewer than two strengths were measured: one is no choice.

    Args:
        rows: what was measured.
        label: of the method.
    """
    found = [(row.values["swd"], row.std) for row in rows if row.label == label and row.std and "swd" in row.values]
    return min(found)[1] if len(found) > 1 else None


def record(runs: Sequence[LoadedRun], rows: Sequence[Row], images: int) -> list[str]:
    """Writes noise.json into the folder of each run that takes noise, if enough images were measured.

    Returns:
        A line for each of these runs.
    """
    lines = []
    for run in runs:
        noise = best_noise(rows, run.label)
        if noise is None:
            continue
        if images < LEAST_IMAGES:
            few = f"{images} images are too few to tell: it takes {LEAST_IMAGES}"
            lines.append(f"recommended noise of {run.label}: not recorded, {few}")
            continue
        content = {"noise": noise, "nimg": run.nimg, "found_by": "SWD"}
        try:
            write_atomic(RunFolder(to_path(run.folder)).noise, (json.dumps(content) + "\n").encode())
            said = "upscaling and new exports of the run follow it"
        except UserError as e:
            said = f"not recorded: {e}"
        lines.append(f"recommended noise of {run.label}: {noise:g} (SWD); {said}")
    return lines
