"""Where a run trains."""

import logging

import tensorflow as tf

from libml.errors import UserError


def make_strategy(batch: int) -> tf.distribute.Strategy:
    """Mirrored over all visible GPUs, or over the CPU when there is none.

    Args:
        batch: the global batch size, which the devices share.

    Raises:
        UserError: if the devices cannot share the batch evenly.
    """
    # Full float32: TF32 would round the convolutions' inputs to 10 bits, which the reference does not.
    tf.config.experimental.enable_tensor_float_32_execution(False)
    devices = [d.name for d in tf.config.list_logical_devices("GPU")] or ["/cpu:0"]
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # the strategy announces itself at length
    check_batch(batch, len(devices))
    return tf.distribute.MirroredStrategy(devices)


def check_batch(batch: int, replicas: int) -> None:
    """Raises UserError if `replicas` devices cannot share a batch evenly."""
    if batch % replicas:
        raise UserError(f"--batch={batch} cannot be shared evenly by {replicas} devices: use a multiple of {replicas}")
