"""How much memory a training step takes, from the shapes of its layers."""

import math

from lag.model import LAG

FLOAT = 4  # bytes


def _activations(model: LAG, size: int) -> tuple[int, int]:
    """Numbers of values that one image's pass through G, and one through P, keeps for the backward pass."""
    lores = (size // model.config.scale) ** 2
    counts = []
    for network in (model.generator, model.projection):
        kept = 0
        for k in range(model.config.lods + 1):
            for layer in network.stage_layers(k):
                # P's last convolution of a stage works behind the space-to-channels shuffle, at half the size.
                halved = network is model.projection and k and layer is network.stage_layers(k)[-1]
                pixels = lores * 4 ** (k - 1 if halved else k)
                kept += pixels * (layer.kernel.shape[2] + layer.filters)  # its input and its output
        counts.append(kept)
    return counts[0], counts[1]


def estimate_bytes(model: LAG, size: int, batch: int) -> int:
    """Memory of a step of the last phase: weights with their moments, gradients and shadows, and what a step keeps.

    Args:
        model: with all its stages.
        size: side of the HR images.
        batch: images on the device.
    """
    g_values, p_values = _activations(model, size)
    g_weights, p_weights = (
        sum(math.prod(v.shape) for k in range(model.config.lods + 1) for v in network.stage_variables(k))
        for network in (model.generator, model.projection)
    )
    # Two passes through G; three of P, and the penalty's, which keeps its input gradients beside its activations.
    return FLOAT * (batch * (2 * g_values + 5 * p_values) + 5 * g_weights + 4 * p_weights)
