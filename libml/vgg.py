"""Activations of VGG19, the perceptual distance's features. Its weights are constants of a run: not trained, not saved.

They come from {data_dir}/Models/vgg19.npy, an object array {layer: [kernel HWIO, bias]}, else from Keras, which
downloads its own once.
"""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import keras
import numpy as np
import tensorflow as tf

from libml.errors import UserError

LAYERS = tuple(f"conv{b}_{i}" for b, count in enumerate((2, 2, 4, 4, 4), 1) for i in range(1, count + 1))
MEAN_BGR = (103.939, 116.779, 123.68)  # of the images that it was trained on

Weights = dict[str, tuple[np.ndarray, np.ndarray]]  # by layer: kernel [3, 3, in, out], bias [out]


def check_layer(layer: str) -> None:
    """Raises UserError if VGG19 has no convolution of that name."""
    if layer not in LAYERS:
        raise UserError(f"--layer_name={layer} is no convolution of VGG19: use one of {', '.join(LAYERS)}")


_RECONSTRUCT = np.empty(0).__reduce__()[0]  # numpy's maker of arrays, whose module differs between versions


class _ArrayUnpickler(pickle.Unpickler):
    """Makes arrays and plain containers only: an ordinary unpickler runs whatever code the file asks for."""

    def find_class(self, module: str, name: str) -> Any:
        allowed = {"_reconstruct": _RECONSTRUCT, "ndarray": np.ndarray, "dtype": np.dtype}
        if module.split(".")[0] == "numpy" and name in allowed:
            return allowed[name]
        if (module, name) == ("_codecs", "encode"):  # how Python 3 writes bytes for Python 2
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"it holds more than arrays: {module}.{name}")


def _read_npy(file: BinaryIO) -> Any:
    """The object in a .npy file of one object, written by Python 2 or 3."""
    version = np.lib.format.read_magic(file)
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read_header(file)
    if shape != () or not dtype.hasobject:
        raise ValueError(f"it is an array of shape {shape} and type {dtype}")
    return _ArrayUnpickler(file, encoding="latin1").load().item()


def _checked(layer: str, kernel: Any, bias: Any) -> tuple[np.ndarray, np.ndarray]:
    kernel, bias = np.asarray(kernel, np.float32), np.asarray(bias, np.float32)
    if kernel.ndim != 4 or bias.shape != kernel.shape[3:]:
        raise ValueError(f"{layer} has a kernel of shape {kernel.shape} and a bias of shape {bias.shape}")
    return kernel, bias


def _read_file(path: Path, names: tuple[str, ...]) -> Weights:
    try:
        with path.open("rb") as file:
            found = _read_npy(file)
        if missing := [name for name in names if name not in found]:
            has = ", ".join(map(str, found))
            raise UserError(f"{path} lacks layer {missing[0]}, which --layer_name={names[-1]} needs; it has {has}")
        return {name: _checked(name, *found[name]) for name in names}
    except UserError:
        raise
    except Exception as e:  # a damaged pickle raises anything
        wanted = "VGG19 as a .npy file {layer: [kernel, bias]} is wanted"
        raise UserError(
            f"cannot read {path}: {wanted} ({str(e).splitlines()[0] if str(e) else type(e).__name__})"
        ) from e


def _from_keras(path: Path, names: tuple[str, ...]) -> Weights:
    try:
        model = keras.applications.VGG19(include_top=False, weights="imagenet")
    except Exception as e:  # Keras' downloads raise Exception itself
        raise UserError(
            f"the perceptual loss needs VGG19: {path} is not there and Keras could not download its own "
            f"({str(e).splitlines()[0]}); put vgg19.npy of github.com/machrisaa/tensorflow-vgg there, "
            "or train without it: --pcp_weight=0"
        ) from e
    layers = {name: model.get_layer(name.replace("conv", "block", 1).replace("_", "_conv")) for name in names}
    return {name: _checked(name, *layer.get_weights()) for name, layer in layers.items()}


def load_features(data_dir: str | Path, layer: str) -> Callable[[tf.Tensor], tf.Tensor]:
    """VGG19 up to a layer, with the weights in data_dir or Keras' own.

    Args:
        data_dir: folder of the datasets; the weights are Models/vgg19.npy in it.
        layer: one of LAYERS.

    Returns:
        A function from images [N, H, W, 1 or 3] in [-1, 1] to the layer's activations [N, h, w, filters], >= 0.

    Raises:
        UserError: if there are no weights, or they lack a layer.
    """
    check_layer(layer)
    path = Path(data_dir) / "Models" / "vgg19.npy"
    names = LAYERS[: LAYERS.index(layer) + 1]
    weights = (_read_file if path.exists() else _from_keras)(path, names)
    constants = {name: tuple(tf.constant(w) for w in weights[name]) for name in names}

    def features(images: tf.Tensor) -> tf.Tensor:
        if images.shape[-1] == 1:
            images = tf.image.grayscale_to_rgb(images)
        y = (images[..., ::-1] + 1) * 127.5 - MEAN_BGR
        for name, (kernel, bias) in constants.items():
            if name.endswith("_1") and name != names[0]:
                y = tf.nn.max_pool2d(y, 2, 2, "SAME")
            y = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(y, kernel, 1, "SAME"), bias))
        return y

    return features
