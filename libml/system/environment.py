"""Environment variables that TensorFlow reads when it is imported, and what the programs set them to."""

import os

_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
DEFAULTS = {
    _LEVEL: "3",
    # oneDNN's kernels. TensorFlow uses them where a CPU has VNNI; elsewhere too they are faster than its own.
    "TF_ENABLE_ONEDNN_OPTS": "1",
}


def set_defaults() -> None:
    """Sets what is not set."""
    os.environ.update(DEFAULTS | os.environ)


def is_quiet() -> bool:
    """Whether TensorFlow's lines are wanted no more than by default."""
    return os.environ.get(_LEVEL) == DEFAULTS[_LEVEL]


def speaks() -> bool:
    """Whether the environment says which of TensorFlow's lines are wanted."""
    return _LEVEL in os.environ
