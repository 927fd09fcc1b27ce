"""Noise without TensorFlow: TensorFlow's numbers."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from libml import philox, rng
from tests.support import ROOT

# Of Random123, the authors' own code: kat_vectors, philox4x32 with 10 rounds.
KNOWN = [
    ([0, 0, 0, 0], (0, 0), [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
    ([0xFFFFFFFF] * 4, (0xFFFFFFFF, 0xFFFFFFFF), [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
    (
        [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
        (0xA4093822, 0x299F31D0),
        [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
    ),
]


def test_known_answers():
    for counter, key, words in KNOWN:
        assert philox.philox(np.array(counter, np.uint64)[:, None], key)[:, 0].tolist() == words


@pytest.mark.parametrize("key, position", [(0, 0), (rng.key(5, "upscale abc"), 9), (2**62 - 1, 10_000), (7, 2**40)])
def test_the_numbers_are_tensorflow_s(key, position):
    whole = tf.random.stateless_normal([100_003], [key, position], alg="philox").numpy()
    np.testing.assert_allclose(philox.normal_parts([0], 100_003, key, position)[0], whole, rtol=0, atol=5e-7)
    assert np.mean(philox.normal_parts([0], 100_003, key, position)[0] == whole) > 0.9
    for count in (1, 2, 3, 4, 5, 17):
        starts = [0, 1, 2, 3, 4, 99_986 - count, 50_001]
        expected = np.stack([whole[start : start + count] for start in starts])
        made = philox.normal_parts(iter(starts), count, key, position)
        assert made.dtype == np.float32
        np.testing.assert_allclose(made, expected, rtol=0, atol=5e-7)


def test_parts_far_away_are_those_of_the_drawing_with_tensorflow():
    starts = [2**34 + 1, 2**40]  # beyond 32 bits of the counter
    np.testing.assert_allclose(philox.normal_parts(starts, 9, 3, 4), rng.normal_parts(starts, 9, 3, 4), atol=5e-7)


def test_tensorflow_is_not_needed():
    check = "import sys; from libml import philox, seeds; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], cwd=ROOT).returncode == 0
