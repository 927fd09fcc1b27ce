"""How much memory a training step takes, from the shapes of its layers."""

import math

from lag.model.training import LAG

FLOAT = 4  # bytes
BFLOAT = 2


def _activations(model: LAG, size: int) -> tuple[int, int]:
    """Numbers of values that one image's pass through G, and one through P, keeps for the backward pass."""
    lores = (size // model.config.scale) ** 2
    counts = []
    for network in (model.generator, model.projection):
        kept = 0
        for k in range(model.config.lods + 1):
            for layer in network.stage_layers(k):
                pixels = lores * 4 ** (k - 1 if layer.form == "shuffled" else k)
                inputs = layer.kernel.shape[2] / (4 if layer.form == "upscaled" else 1)
                kept += int(pixels * (inputs + layer.filters))  # its input and its output
        counts.append(kept)
    return counts[0], counts[1]


def estimate_bytes(model: LAG, size: int, batch: int) -> int:
    """Memory of a step of the last phase: weights, their moments, gradients and average, and kept activations.

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
    # Two passes through G and three through P. The penalty's pass counts double (activations and input gradients) and,
    # with --remat, is nearly all that is kept.
    config = model.config
    g_passes, p_passes = (0, 3) if config.remat else (2, 5)
    if config.spectral_norm:
        p_passes -= 2
    if config.encoder:  # a network of P's form, and the centre's further pass through P
        p_passes, p_weights = p_passes + 2, 2 * p_weights
    value = BFLOAT if config.precision == "bfloat16" else FLOAT
    return value * batch * (g_passes * g_values + p_passes * p_values) + FLOAT * (5 * g_weights + 4 * p_weights)
