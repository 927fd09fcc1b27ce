"""A trained generator as an ONNX file, which runs where onnxruntime is, in C++, C#, Java and in browsers, too."""

import contextlib
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tensorflow as tf

from lag.any_method import load_any
from lag.formats.card import NOTE, ONNX, ONNX_FILE, load_description, write_card
from lag.formats.export_folder import check_target, new_export
from lag.formats.exported import SIGNATURES, ExportedGenerator
from lag.formats.onnx_model import PROPERTY
from lag.formats.saved_model import describe
from lag.formats.tensorflow_model import load_export
from libml.errors import UserError, reason
from libml.system.store_path import absolute

OPSET = 18  # of onnxruntime 1.14 and later
AXES = {
    "lores": ("batch", "height", "width"),
    "z": ("batch", "height", "width"),
    "hires": ("batch", "large_height", "large_width"),
}


def export_run(run: str | Path, folder: str | Path, weights: str = "float32") -> dict[str, Any]:
    """Exports the generator of a run's newest checkpoint: model.onnx, model.json and README.md, all or nothing.

    Args:
        run: folder of the run.
        folder: where to export to; an older export there is replaced, anything else is left alone.
        weights: float32.

    Returns:
        The contents of model.json.

    Raises:
        UserError: if there is nothing to export, the folder holds something else, or the converter is not installed.
    """
    folder = absolute(folder)
    check_target(folder)
    check_installed()
    file, card = _converted(*_of_run(run, weights))
    with new_export(folder) as temporary:
        temporary.mkdir()
        (temporary / ONNX_FILE).write_bytes(file)
        return write_card(temporary, card)


def convert_any(path: Path) -> bytes:
    """The ONNX file of a run's newest checkpoint, or of an export as SavedModel.

    Raises:
        UserError: if it is neither, or the converter is not installed.
    """
    check_installed()
    if (card := load_description(path)) is None:
        return _converted(*_of_run(path))[0]
    try:
        return _converted(load_export(path), card)[0]
    except Exception as e:  # damage shows as errors of many kinds
        raise UserError(f"cannot read {path}: {reason(e)}; export it again") from e


def _of_run(run: str | Path, weights: str = "float32") -> tuple[ExportedGenerator, dict[str, Any]]:
    trained = load_any(run)
    module = ExportedGenerator(trained)
    return module, describe(trained, module, run, weights)


def _converted(module: Any, card: dict[str, Any]) -> tuple[bytes, dict[str, Any]]:
    card = card | {"format": ONNX, "signatures": {"generate": SIGNATURES["generate"]}}
    return convert(module, card), card


def check_installed() -> None:
    """Raises UserError if the converter is not installed."""
    try:
        import onnx  # noqa: F401
        import tf2onnx  # noqa: F401
    except ImportError as e:
        raise UserError(f"making an ONNX file needs {e.name}: pip install -r requirements-onnx.txt") from None


def convert(module: Any, card: dict[str, Any]) -> bytes:
    """An ONNX file of the signature `generate`: lores and z to hires, of any batch, height and width.

    Args:
        module: the generator, whose function is `generate`.
        card: what the file says of itself, in its metadata.
    """
    import onnx
    import tf2onnx

    signature = [
        tf.TensorSpec([None, None, None, card[channels]], tf.float32, name=name)
        for name, channels in (("lores", "colors"), ("z", "noise_dim"))
    ]
    with _quiet("tf2onnx"):
        model, _ = tf2onnx.convert.from_function(module.generate, input_signature=signature, opset=OPSET)
    for value in [*model.graph.input, *model.graph.output]:
        for axis, dimension in zip(AXES[value.name], value.type.tensor_type.shape.dim, strict=False):  # not of colours
            dimension.dim_param = axis
    model.doc_string = NOTE
    onnx.helper.set_model_props(model, {PROPERTY: json.dumps(card)})
    onnx.checker.check_model(model)
    return model.SerializeToString()


@contextlib.contextmanager
def _quiet(name: str) -> Iterator[None]:
    """A library reports nothing but errors."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
