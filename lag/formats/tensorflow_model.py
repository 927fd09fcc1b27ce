"""A generator that TensorFlow runs: that of a run, or of an export as SavedModel."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from lag.any_method import load_any
from lag.formats.card import load_description
from lag.formats.exported import ExportedGenerator
from lag.formats.saved_model import describe
from lag.upscaling.one_picture import Upscaler, try_out, upscaler_of
from libml import rng
from libml.errors import UserError, reason
from libml.system.files import local_copy
from libml.system.tfio import tensorflow_errors
from libml.training.run_folder import RunFolder


def load(path: Path) -> Upscaler:
    """The generator of a run folder (its newest checkpoint) or of an export.

    Raises:
        UserError: if it is neither.
    """
    if description := load_description(path):
        try:
            loaded = load_export(path)
            model = _model(lambda lores, z: loaded.generate(lores, z), description)  # which keeps loaded's variables
            try_out(model)
        except Exception as e:  # damage shows as errors of many kinds
            raise UserError(f"cannot read {path}: {reason(e)}; export it again") from e
        return model
    if not RunFolder(path).is_run():
        raise UserError(f"{path} is neither a run folder (with args/args.json) nor an export (with model.json)")
    trained = load_any(path)
    module = ExportedGenerator(trained)
    return _model(module.generate, describe(trained, module, path))


def load_export(path: Path) -> Any:
    """What TensorFlow makes of an export, wherever that lies; raises errors of many kinds where it is damaged."""
    with local_copy(path) as copy:
        return tf.saved_model.load(str(copy))


def _model(function: Callable[..., dict[str, tf.Tensor]], card: dict[str, Any]) -> Upscaler:
    def generate(lores: np.ndarray, z: np.ndarray) -> np.ndarray:
        with tensorflow_errors():
            return function(lores, z)["hires"].numpy()

    return upscaler_of(generate, card, rng.normal_parts)
