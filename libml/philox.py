"""The numbers of tf.random.stateless_normal, alg="philox", in NumPy, to within rounding: for where TensorFlow is not.

Philox4x32-10: Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", 2011.
"""

from collections.abc import Iterable

import numpy as np

MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
WEYL = 0x9E3779B9, 0xBB67AE85  # added to the key after each round
ROUNDS = 10
MIXING_KEY = 0x3EC8F720, 0x02461E29  # that TensorFlow mixes seeds with
LOW, HALF = np.uint64(0xFFFFFFFF), np.uint64(32)


def philox(counters: np.ndarray, key: tuple[int, int]) -> np.ndarray:
    """Four random 32-bit words of each counter: uint64 [4, N] to uint64 [4, N], all below 2**32."""
    a, b, c, d = counters
    k0, k1 = key
    for _ in range(ROUNDS):
        first, second = MULTIPLIERS[0] * a, MULTIPLIERS[1] * c
        a, b = (second >> HALF) ^ b ^ np.uint64(k0), second & LOW
        c, d = (first >> HALF) ^ d ^ np.uint64(k1), first & LOW
        k0, k1 = (k0 + WEYL[0]) & 0xFFFFFFFF, (k1 + WEYL[1]) & 0xFFFFFFFF
    return np.stack([a, b, c, d])


def _mixed(key: int, position: int) -> np.ndarray:
    """What TensorFlow makes of a seed (key, position): the low words are Philox's key, the high ones its counter's."""
    halves = np.array([key, position], np.int64).view(np.uint64)
    words = np.stack([halves & LOW, halves >> HALF], axis=-1).reshape(4, 1)
    return philox(words, MIXING_KEY)[:, 0]


def _unit(words: np.ndarray) -> np.ndarray:
    """Words to float32 values in [0, 1): their low 23 bits."""
    return (words & np.uint64(0x7FFFFF)).astype(np.float32) * np.float32(2**-23)


def _normal(words: np.ndarray) -> np.ndarray:
    """Box and Muller: uint64 words [4, N] to standard normal float32 values [N, 4].

    Functions are computed in double precision and rounded, as good float32 ones are.
    """
    u, v = np.maximum(_unit(words[0::2]), np.float32(1e-7)), _unit(words[1::2])
    radius = np.sqrt(np.float32(-2) * np.log(u, dtype=np.float64).astype(np.float32))
    angle = (2 * np.pi * v.astype(np.float64)).astype(np.float32).astype(np.float64)
    pairs = np.stack([np.sin(angle).astype(np.float32), np.cos(angle).astype(np.float32)], axis=-1) * radius[..., None]
    return pairs.transpose(1, 0, 2).reshape(-1, 4)


def normal_parts(starts: Iterable[int], count: int, key: int, position: int) -> np.ndarray:
    """As libml.rng.normal_parts: `count` values of a draw from each start on, float32 [parts, count].

    They differ from TensorFlow's by rounding: 5e-7 at most.
    """
    first, passed = np.divmod(np.fromiter(starts, np.int64), 4)
    at = (first[:, None] + np.arange((count + 6) // 4)).ravel().view(np.uint64)
    k0, k1, high, highest = _mixed(key, position)
    counters = np.stack([at & LOW, at >> HALF, np.full_like(at, high), np.full_like(at, highest)])
    values = _normal(philox(counters, (int(k0), int(k1)))).reshape(len(first), -1)
    return np.take_along_axis(values, passed[:, None] + np.arange(count), axis=1)
