"""Whether this process computes on GPUs: the one place that asks the machine, and where tests answer in its stead.

What depends on the answer: whether a network takes its batches in one pass, and how many cores an operation may use
(lag/model/costs.py); whether convolutions and activations have forms of their own (libml/layers/fast/choose.py); which
precisions there are, and what is a device (libml/system/devices.py).
"""

import contextlib
from collections.abc import Iterator, Sequence

import tensorflow as tf

from libml.errors import UserError

_said: list[bool] = []  # what `as_if` says, the innermost last


def on_gpus() -> bool:
    """Whether steps are computed the way that is for GPUs: if this process has one, or if `as_if` says so."""
    return _said[-1] if _said else bool(tf.config.get_visible_devices("GPU"))


@contextlib.contextmanager
def as_if(on_gpus: bool) -> Iterator[None]:
    """Within this, steps are traced the way that is for GPUs, or for CPUs, whatever the machine has."""
    _said.append(on_gpus)
    try:
        yield
    finally:
        _said.pop()


def gpus() -> list[str]:
    """Names of the GPUs that this process uses, as /device:GPU:0; none may be chosen after this."""
    return [device.name for device in tf.config.list_logical_devices("GPU")]


def choose_gpus(wanted: Sequence[int]) -> None:
    """Makes this process use these GPUs of the machine alone. Before TensorFlow does anything else.

    Raises:
        UserError: if there is no such GPU.
    """
    present = tf.config.list_physical_devices("GPU")
    if missing := [i for i in wanted if not 0 <= i < len(present)]:
        raise UserError(f"--gpus: there is no GPU {missing[0]}; this machine shows {len(present) or 'none'}")
    tf.config.set_visible_devices([present[i] for i in wanted], "GPU")


def divide_cpu(devices: int) -> None:
    """Makes so many devices of the CPU. Before TensorFlow does anything else."""
    whole = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(whole, [tf.config.LogicalDeviceConfiguration()] * devices)


def descriptions() -> list[str]:
    """Name and compute capability of each GPU of the machine, as TensorFlow knows them."""
    found = [tf.config.experimental.get_device_details(gpu) for gpu in tf.config.list_physical_devices("GPU")]
    return [f"{d.get('device_name', 'unknown')}, compute capability {d.get('compute_capability')}" for d in found]


def forget_peaks() -> None:
    """Begins anew to watch the GPUs' peaks of memory."""
    for name in gpus():
        tf.config.experimental.reset_memory_stats(name.removeprefix("/device:"))
