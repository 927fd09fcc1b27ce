"""Seeds of random draws: nothing else decides, and they are those of earlier runs."""

import numpy as np
import pytest
import tensorflow as tf

from libml import rng


def test_keys_are_pinned():
    """A quarter of the first 64 bits of SHA-256, the lowest byte first: printf 0/z | sha256sum."""
    assert rng.key(0, "z") == 2230063622970394136
    assert rng.key(7, "shuffle/cifar10") == 2111674536548560
    assert rng.small_key(0, "z") == 2230063622970394136 % 2**31


@pytest.mark.parametrize(
    "draw, other", [(rng.normal, tf.random.stateless_normal), (rng.uniform, tf.random.stateless_uniform)]
)
def test_draws_depend_on_seed_purpose_and_position(draw, other):
    first = draw([64], rng.key(0, "z"), 3).numpy()
    np.testing.assert_array_equal(first, other([64], [rng.key(0, "z"), 3], alg="philox"))
    for key, position in ((rng.key(1, "z"), 3), (rng.key(0, "rho"), 3), (rng.key(0, "z"), 4)):
        assert np.all(draw([64], key, position) != first)
