"""Environment variables that TensorFlow reads when it is imported, and what the programs set them to."""

import os

DEFAULTS = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    # oneDNN's kernels. TensorFlow uses them where a CPU has VNNI; elsewhere too they are faster than its own.
    "TF_ENABLE_ONEDNN_OPTS": "1",
}


def speaks() -> bool:
    """Whether the environment says which of TensorFlow's lines are wanted."""
    return "TF_CPP_MIN_LOG_LEVEL" in os.environ
