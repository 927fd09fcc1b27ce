"""A generator in an ONNX file, run by onnxruntime on the CPU: TensorFlow is not needed."""

from pathlib import Path

import numpy as np

from lag.formats.card import ONNX_FILE, parse_card
from lag.upscaling.one_picture import Upscaler, try_out, upscaler_of
from libml import philox
from libml.errors import UserError, reason
from libml.system.files import local_copy

PROPERTY = "lag"  # of the file's metadata: the contents of model.json


def load(path: Path) -> Upscaler:
    """The generator of an ONNX file, or of the folder that it was exported to.

    Raises:
        UserError: if it cannot be read, or was not exported by this project; if onnxruntime is not installed.
    """
    file = path / ONNX_FILE if path.is_dir() else path
    if not file.is_file():
        raise UserError(f"{file} does not exist, or is no file")
    try:
        import onnxruntime
    except ImportError:
        raise UserError(f"{file} needs onnxruntime: pip install onnxruntime") from None

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    try:
        with local_copy(file) as copy:
            session = onnxruntime.InferenceSession(str(copy), options, providers=["CPUExecutionProvider"])
    except Exception as e:  # damage shows as errors of many kinds
        raise UserError(f"cannot read {file}: {reason(e)}") from e
    card = parse_card(session.get_modelmeta().custom_metadata_map.get(PROPERTY, ""))
    if card is None:
        raise UserError(f"{file} lacks the description that scripts/export.py --format=onnx writes: export it so")

    def generate(lores: np.ndarray, z: np.ndarray) -> np.ndarray:
        try:
            return session.run(["hires"], {"lores": lores, "z": z})[0]
        except Exception as e:  # too little memory, too
            raise UserError(f"onnxruntime cannot make an image: {reason(e)}") from e

    model = upscaler_of(generate, card, philox.normal_parts)
    try:
        try_out(model)
    except (ValueError, UserError) as e:
        raise UserError(f"cannot read {file}: {e}; export it again") from e
    return model
