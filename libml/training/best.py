"""The best checkpoint by a measure: a run's folder of its own, RUN/best, which every program takes as a run."""

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from libml.training.checkpoint import Checkpoints, list_checkpoints
from libml.training.config import RunConfig
from libml.training.run_folder import RunFolder, recorded_best, save_args
from libml.training.schedule import KIMG

_BADNESS = {  # a measure -> how bad its value is; those that are not here are bad as they are
    "diversity": lambda value: -value,
    "spread": lambda value: abs(np.log(max(value, 1e-9))),
    "rank": lambda value: abs(value - 0.5),
}


class Best:
    """Keeps the checkpoint whose measure was the best so far."""

    def __init__(self, config: RunConfig, folder: Path, checkpoint: tf.train.Checkpoint, facts: dict[str, Any]):
        """Args: the run's parameters, of which keep_best names the measure; its folder; what to save; what save_args is
        told of the run.
        """
        self._config, self._facts, self._folder = config, facts, RunFolder(folder).best
        self._checkpoints = Checkpoints(RunFolder(self._folder).checkpoints, checkpoint)
        self._kind = {"measure": config.keep_best, "images": config.eval_images}

    def beaten_by(self, values: dict[str, float]) -> bool:
        """Whether these values are better than what is kept, or nothing of this measure is kept."""
        value, kept = values[self._config.keep_best], recorded_best(self._folder)
        if not np.isfinite(value):
            return False
        if not list_checkpoints(self._checkpoints.folder) or any(kept.get(k) != of for k, of in self._kind.items()):
            return True
        badness = _BADNESS.get(self._config.keep_best, lambda value: value)
        return bool(badness(value) < badness(kept["value"]))

    def keep(self, nimg: int, values: dict[str, float]) -> None:
        """Saves the run as it is at nimg in place of what was kept.

        Raises:
            UserError: if the file system refuses.
        """
        self._checkpoints.save_alone(nimg)
        best = {**self._kind, "value": values[self._config.keep_best], "kimg": nimg / KIMG}
        save_args(self._config, self._folder, **self._facts, best=best)
