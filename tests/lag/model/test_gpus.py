"""A step the way that is for GPUs: what TensorFlow's registry of kernels says of its operations."""

import pytest
import tensorflow as tf

from libml.system.hardware import as_if
from tests.support import kernels
from tests.support.steps import batch, make

pytestmark = pytest.mark.skipif(
    not kernels.registered_for_gpus(), reason="this build of TensorFlow registers no kernels for GPUs"
)

STEPS = {
    "reference": {},
    "recomputed": {"precision": "bfloat16", "encoder": True, "remat": True},
    "posterior": {
        **{"gan_loss": "pairing", "r_gamma": 2.0, "consistent": True, "center_balance": 0.5, "energy_balance": 1.0},
        **{
            "center_every": 2,
            "energy_every": 2,
            "weight_avg_power": 3.0,
            "precision": "bfloat16",
            "downscaler": "bicubic",
        },
    },
    "normalised": {"gan_loss": "relativistic", "spectral_norm": True, "color_round": 1.0, "downscaler": "antialias"},
}


@pytest.mark.parametrize("options", STEPS.values(), ids=STEPS)
def test_every_operation_of_a_step_is_for_gpus(options):
    """There is a kernel, it is deterministic where it is asked to be, and it waits for no copy to the host."""
    shapes = [tuple(images.shape) for images in batch()]
    with as_if(on_gpus=True), tf.device("/device:GPU:0"):
        step = make(**options)._trace(*shapes, 1, 2)
    kinds = {op.type for op in kernels.operations(step)}
    assert {"Conv2DBackpropFilter", "ResourceApplyAdam", "StatelessRandomNormalV2"} <= kinds
    assert kernels.faults(step) == []


def test_what_a_gpu_cannot_do_is_named():
    contrast = tf.function(lambda x: tf.image.adjust_contrast(x, 2.0), autograph=False)

    @tf.function(autograph=False)
    def step(encoded, x):
        return tf.io.decode_png(encoded), contrast(x), tf.reshape(x, [tf.cast(x[0, 0, 0, 0], tf.int64), -1])

    found = kernels.faults(step.get_concrete_function(tf.TensorSpec([], tf.string), tf.TensorSpec([2, 4, 4, 3])))
    said = ["no kernel for DecodePng(string)", "AdjustContrastv2 is not deterministic", "Reshape waits for a copy"]
    assert len(found) == len(said) and all(any(words in line for line in found) for words in said), found
