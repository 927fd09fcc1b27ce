"""The forms of a trained generator outside of its run: each is one row of FORMATS."""

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from lag.formats.card import CARD_FILE, ONNX_FILE
from lag.formats.versions import newest_version
from libml.system.files import exists
from libml.system.store_path import to_path
from libml.training.run_folder import RunFolder

if TYPE_CHECKING:  # it imports NumPy, which --help need not wait for
    from lag.upscaling.one_picture import Upscaler


class Format(NamedTuple):
    """A form that a generator is exported in and read from, and its modules in lag/formats."""

    exporter: str  # whose export_run(run, folder, weights) writes it
    loader: str  # whose load(path) reads it
    file: str = ""  # that its folder holds, and that can be read alone; '' for what only a whole folder is
    weights: tuple[str, ...] = ("float32",)  # types that its weights can be stored in


FORMATS = {
    "savedmodel": Format("saved_model", "tensorflow_model", weights=("float32", "float16", "bfloat16")),
    "onnx": Format("onnx_export", "onnx_model", ONNX_FILE),
}


def export_run(name: str, run: str | Path, folder: str | Path, weights: str = "float32") -> dict[str, Any]:
    """Exports the generator of a run's newest checkpoint in one of FORMATS.

    Returns:
        The contents of model.json.

    Raises:
        UserError: if there is nothing to export, or it cannot be written.
    """
    return importlib.import_module(f"lag.formats.{FORMATS[name].exporter}").export_run(run, folder, weights)


def located(path: Path) -> Path:
    """Where a model lies: in the newest version of a folder of versions, else in the path itself.

    Raises:
        UserError: if the folder cannot be read.
    """
    if exists(path / CARD_FILE) or RunFolder(path).is_run():
        return path
    return newest_version(path) or path


def load_model(path: str | Path) -> "Upscaler":
    """The generator of a run folder (its newest checkpoint), of an export, of the newest of its versions, or of an ONNX
    file.

    Raises:
        UserError: if it is none of these.
    """
    path, loader = located(to_path(path)), FORMATS["savedmodel"].loader  # which reads runs, too
    for row in FORMATS.values():
        if row.file and (path.suffix == Path(row.file).suffix or (path / row.file).exists()):
            loader = row.loader
    return importlib.import_module(f"lag.formats.{loader}").load(path)  # TensorFlow, where it needs that
