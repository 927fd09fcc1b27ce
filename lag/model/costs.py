"""How much arithmetic a network's pass and a step take, from a run's parameters, and how steps are computed for it."""

import dataclasses
import itertools

from lag.config import LAGConfig
from lag.model.networks import stage_widths
from libml.system import hardware
from libml.system.cpu import available_cores

KERNEL = 9  # taps of each convolution
# Operations of a step; below this, running several operations side by side is faster than giving each all cores.
SMALL_STEP = 300e9


@dataclasses.dataclass(frozen=True)
class Plan:
    """How a run's steps are computed."""

    joined: bool  # batches of a network in one pass, or in passes side by side
    threads_per_op: int  # cores that one operation may use; 0 for all


def _widths(config: LAGConfig) -> tuple[int, ...]:
    return stage_widths(config.scale, config.filters, config.filters_min)


def generator_multiply_adds(config: LAGConfig, colors: int, size: int, lod_stop: int | None = None) -> int:
    """Multiply-adds of one image's pass through G in the plain formulation: each convolution at its output's size.

    Args:
        config: the run's parameters.
        colors: channels of the images.
        size: side of the HR images.
        lod_stop: last stage in use; None for all.
    """
    w, pixels = _widths(config), (size // config.scale) ** 2
    total = ((colors + config.noise_dim) * w[0] + 2 * config.blocks * w[0] ** 2) * pixels
    for k in range(1, (config.lods if lod_stop is None else lod_stop) + 1):
        total += (w[k - 1] * w[k] + w[k] ** 2 + w[k] * colors) * pixels * 4**k
    return KERNEL * total


def upscaled_savings(config: LAGConfig, size: int) -> int:
    """Multiply-adds saved by the fused upscaling convolution: 16 per small pixel instead of 36."""
    w, pixels = _widths(config), (size // config.scale) ** 2
    return sum(w[k - 1] * w[k] * pixels * 4 ** (k - 1) * (4 * KERNEL - 16) for k in range(1, config.lods + 1))


def projection_multiply_adds(config: LAGConfig, colors: int, size: int, lod_stop: int | None = None) -> int:
    """As generator_multiply_adds, of P. A stage's last convolution works at half its size, on shuffled pixels."""
    w, pixels = _widths(config), (size // config.scale) ** 2
    total = ((w[0] + colors) * w[0] + (config.blocks - 1) * w[0] ** 2) * pixels
    for k in range(1, (config.lods if lod_stop is None else lod_stop) + 1):
        total += (colors * w[k] + w[k] ** 2 + w[k] * w[k - 1]) * pixels * 4**k
    return KERNEL * total


def weights(config: LAGConfig, colors: int) -> tuple[int, int]:
    """Numbers of kernels' and biases' values of G and of P: so many gradients travel between devices, of four bytes."""
    w, blocks = _widths(config), config.blocks
    stages = [*itertools.pairwise(w)]
    g = KERNEL * ((colors + config.noise_dim) * w[0] + 2 * blocks * w[0] ** 2) + (1 + 2 * blocks) * w[0]
    g += sum(KERNEL * width * (above + width + colors) + 2 * width + colors for above, width in stages)
    p = KERNEL * ((w[0] + colors) * w[0] + (blocks - 1) * w[0] ** 2) + blocks * w[0]
    p += sum(KERNEL * width * (colors + width + 4 * above) + 2 * width + above for above, width in stages)
    return g, p


def step_operations(config: LAGConfig, colors: int, size: int, lod_stop: int | None = None) -> int:
    """Operations of one image's training step, a multiply-add counting as two: 2 (6 G + 15 P).

    G passes twice and backward twice, at twice the cost for its inputs' and weights' gradients; P passes real, fake,
    fake_z and the penalty's mixture forward, and backward for what each of them owes. The step here does less: its
    penalty leaves out the activations' second derivatives, which are 0, and G's upscaling is fused with a convolution
    (upscaled_savings). What an encoder or spectral normalisation adds is not counted.
    """
    g, p = (count(config, colors, size, lod_stop) for count in (generator_multiply_adds, projection_multiply_adds))
    return 2 * (6 * g + 15 * p)


def plan(config: LAGConfig, colors: int, size: int) -> Plan:
    """On CPUs small steps run as passes side by side, an operation on few cores; others as joined passes on all.

    The steps of the last phase, the largest, decide. Arguments as those of generator_multiply_adds.
    """
    small = config.batch * step_operations(config, colors, size) < SMALL_STEP
    if not small or hardware.on_gpus():
        return Plan(joined=True, threads_per_op=0)
    return Plan(joined=False, threads_per_op=max(1, available_cores() // 2))
