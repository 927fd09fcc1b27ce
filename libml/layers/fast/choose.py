"""Where a fast form takes the place of its plain twin in libml/layers/reference.py: the one place that decides.

FORMS has a row for each form that pays only somewhere. What always pays needs no decision: upscaled and shuffled
convolutions, LeakyReLU without its second derivative, a bias' gradient summed in float32. Factors are those of
docs/performance.md, which tells how they were measured: of the layer alone, or of a step of S, M or L.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import tensorflow as tf

from libml.system import cpu, hardware

FEW_CHANNELS = 4  # of a result: so few leave most of a vector idle
PRODUCT_CHANNELS = 16  # with fewer, products of matrices are no faster than oneDNN's gradient
SMALL_SIDE = 8  # of an image: from 16 on, a convolution over the batch is no faster
SMALL_BATCH = 8  # over which, at least, such a convolution pays
SMALL_FILTERS = 32  # that it needs at least
COMPILED_SIZE = 2**19  # smallest tensor for which the compiled kernel gains more than its launch costs


class Form(NamedTuple):
    """A fast form of an operation."""

    pays: Callable[[tf.Tensor, Sequence[int]], bool]  # for an image [N, H, W, C] and a kernel of that shape
    what: str
    gain: str


def few(outputs: int, inputs: int) -> bool:
    """Whether a convolution makes few channels of many, as colours of features."""
    return outputs <= FEW_CHANNELS < inputs


def _few_either_way(x: tf.Tensor, shape: Sequence[int]) -> bool:
    taps, _, channels, filters = shape
    return taps == 3 and (few(filters, channels) or few(channels, filters))


def _only_avx2(x: tf.Tensor, shape: Sequence[int]) -> bool:
    wide = min(shape[2:]) >= PRODUCT_CHANNELS
    return wide and cpu.has_only_avx2() and x.dtype == tf.float32 and x.shape.is_fully_defined()


def _small_in_bfloat16(x: tf.Tensor, shape: Sequence[int]) -> bool:
    n, h, w = x.shape[:3]
    small = n is not None and n >= SMALL_BATCH and None not in (h, w) and max(h, w) <= SMALL_SIDE
    # With 4 taps the convolution would be dilated, of which TensorFlow has no derivatives on CPUs.
    wide = shape[0] == 3 and shape[3] >= SMALL_FILTERS
    return small and wide and x.dtype == tf.bfloat16 and cpu.has_bfloat16()


def _large_in_bfloat16(x: tf.Tensor, shape: Sequence[int]) -> bool:
    known = x.dtype == tf.bfloat16 and x.shape.is_fully_defined() and cpu.has_bfloat16()
    return known and x.shape.num_elements() >= COMPILED_SIZE


FORMS = {
    "blocks": Form(
        _few_either_way,
        "results of few channels, or gradients of such, as channels of blocks of 2 x 2 pixels",
        "layer 0.8 to 2.1 times, S 1.06, M 1.04, L 1.02",
    ),
    "products": Form(
        _only_avx2,
        "a kernel's gradient as a product of matrices for each tap: with AVX2 at most, oneDNN computes it at half rate",
        "layer 1.8 to 2.3 times, S 1.06, M 1.00 to 1.08, L 1.23",
    ),
    "over_batch": Form(
        _small_in_bfloat16,
        "a kernel's gradient as a convolution over the batch: in bfloat16 oneDNN sums each short row anew",
        "layer 1.1 to 1.7 times, S 1.06, M 1.02",
    ),
    "compiled": Form(
        _large_in_bfloat16,
        "LeakyReLU's gradient, or bias and LeakyReLU, by XLA: TensorFlow's kernels are hardly vectorized in bfloat16",
        "layer 2.5 to 3.6 times, M 1.00 to 1.03, L 1.008",
    ),
}


def pays(form: str, x: tf.Tensor, shape: Sequence[int] = ()) -> bool:
    """Whether a form of FORMS is faster than its twin for an image [N, H, W, C] and a kernel of that shape."""
    return not hardware.on_gpus() and FORMS[form].pays(x, shape)  # on GPUs nothing was measured


def own_gradients_pay(x: tf.Tensor, shape: Sequence[int]) -> bool:
    """Whether a convolution, or its gradients, should be ours. For 'upscaled', x is the small image."""
    return any(pays(form, x, shape) for form in ("blocks", "products", "over_batch"))
